using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Steering;
using BalancedDiffusion.Tests.Networks;
using TorchSharp;

namespace BalancedDiffusion.Tests.Steering;

/// <summary>Small networks of every kind whose branches all speak, and what the tests of steering ask again and
/// again.</summary>
internal static class SteeringLab
{
    public const string Act = "network.blocks.0.mlp.act";
    public const string Silu = "model.dec.8x8_block0.silu1";
    public const string Conv = "model.enc.8x8_conv";

    public static DitOptions Little { get; } = DitFixtures.Little with { ClassDropout = 0.1, LearnSigma = false };

    public static torch.Tensor Wide(long seed, params long[] shape) =>
        GaussianNoise.Draw(shape, seed, torch.ScalarType.Float64);

    public static DitDenoiser Dit(
        long seed = 1,
        torch.ScalarType type = torch.ScalarType.Float32,
        DitOptions? options = null
    )
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var network = new Dit(options ?? Little, seed, type);
        foreach (var (name, parameter) in network.named_parameters())
            parameter.add_(0.3 * GaussianNoise.Draw(parameter.shape, Seeds.Derive(seed, name), type));
        var denoiser = DitDenoiser.Preconditioned(network);
        denoiser.eval();
        return denoiser;
    }

    public static EdmPreconditioner UNet(
        long seed = 1,
        torch.ScalarType type = torch.ScalarType.Float32,
        SongUNetOptions? options = null
    ) => UNetFixtures.Shaken(options ?? UNetFixtures.Nano, seed, type);

    /// <summary>A ReLU diffusion whose gains and skip depend on the level.</summary>
    public static ReluDiffusion Diffusion(long seed = 1)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var model = new ReluDiffusion(6, 4, seed, 3);
        foreach (var (name, parameter) in model.named_parameters())
            parameter.add_(0.3 * GaussianNoise.Draw(parameter.shape, Seeds.Derive(seed, name)));
        return model;
    }

    /// <summary>Numbers for a direction.</summary>
    public static double[] Vector(int length, long seed = 5)
    {
        using var drawn = Wide(seed, length);
        return drawn.data<double>().ToArray();
    }

    public static SteeringDirection Direction(
        torch.nn.Module network,
        params (string Layer, double[] Vector)[] layers
    ) => SteeringDirection.FromVectors(network, layers.ToDictionary(l => l.Layer, l => l.Vector));

    public static double[] Numbers(torch.Tensor tensor)
    {
        using var scope = torch.NewDisposeScope();
        return tensor.detach().to_type(torch.float64).flatten().contiguous().data<double>().ToArray();
    }

    /// <summary>Whether two tensors hold the same numbers, to the bit.</summary>
    public static bool Same(torch.Tensor a, torch.Tensor b)
    {
        using var scope = torch.NewDisposeScope();
        return a.shape.SequenceEqual(b.shape) && a.dtype == b.dtype && a.eq(b).all().item<bool>();
    }

    public static torch.Tensor Parameter(torch.nn.Module model, string name) =>
        model.named_parameters().Single(p => p.name == name).parameter;

    /// <summary>Puts a hook of the test's own behind a module with one input.</summary>
    public static Action Hook(torch.nn.Module model, string name, Func<torch.Tensor, torch.Tensor> change)
    {
        var module = (torch.nn.Module<torch.Tensor, torch.Tensor>)
            model.named_modules().Single(m => m.name == name).module;
        return module.register_forward_hook((_, _, output) => change(output)).remove;
    }

    /// <summary>How many tensors live on this thread.</summary>
    public static long Live => DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;

    /// <summary>One sentence: what was wrong, without a line break.</summary>
    public static void Refused<T>(string words, Action attempt)
        where T : Exception
    {
        var failure = Record.Exception(attempt);
        Assert.True(failure is T, $"{words}: {failure?.ToString() ?? "nothing was thrown"}");
        Assert.Contains(words, failure!.Message);
        Assert.DoesNotContain("\n", failure.Message);
    }
}
