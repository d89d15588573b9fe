using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests.Networks;

/// <summary>Small networks of the published code with random weights, its answers to some inputs and what its modules
/// returned on the way.</summary>
internal static class UNetFixtures
{
    /// <summary>The smallest network that has every part of a DDPM++.</summary>
    public static SongUNetOptions Nano { get; } =
        new()
        {
            Resolution = 8,
            Channels = 1,
            ModelChannels = 8,
            ChannelMultipliers = [1, 2],
            Blocks = 1,
            AttentionResolutions = [4],
        };

    public static string File(string name)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (System.IO.File.Exists(Path.Combine(folder.FullName, "Notebooks.sln")))
                // What notebooks read too lies with the data.
                return new[] { Path.Combine("tests", "fixtures"), Path.Combine("data", "tiny") }
                    .Select(place => Path.Combine(folder.FullName, place, name))
                    .First(System.IO.File.Exists);
        throw new FileNotFoundException($"the tests run outside of the repository, where {name} is");
    }

    public static Tensor Normal(long seed, params long[] shape) => GaussianNoise.Draw(shape, seed, ScalarType.Float32);

    /// <summary>Weights moved off their first values, so that the branches that start near zero speak too.</summary>
    public static EdmPreconditioner Shaken(
        SongUNetOptions options,
        long seed,
        ScalarType type = ScalarType.Float32,
        double by = 0.3
    )
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var model = new EdmPreconditioner(options, seed, dtype: type);
        foreach (var parameter in model.parameters())
            parameter.add_(
                GaussianNoise.Draw(parameter.shape, ++seed, type),
                by / Math.Sqrt(Math.Max(1, parameter.NumberOfElements / parameter.shape[0]))
            );
        return model;
    }

    /// <summary>The greatest of ‖a - b‖/‖b‖ over the samples.</summary>
    public static double Difference(Tensor a, Tensor b)
    {
        using var scope = NewDisposeScope();
        Assert.Equal(b.shape, a.shape);
        var (x, y) = (a.detach().to_type(float64).flatten(1), b.detach().to_type(float64).flatten(1));
        return ((x - y).norm(1) / y.norm(1)).max().item<double>();
    }

    /// <summary>Runs something while writing down what the named modules return.</summary>
    public static Dictionary<string, Tensor> Record(nn.Module model, IEnumerable<string> names, Action run)
    {
        var seen = new Dictionary<string, Tensor>();
        var modules = model.named_modules().ToDictionary(m => m.name, m => m.module);
        var hooks = new List<Action>();
        foreach (var name in names)
            switch (modules[name])
            {
                case nn.Module<Tensor, Tensor> one:
                    var hook = one.register_forward_hook((_, _, output) => Keep(name, output));
                    hooks.Add(hook.remove);
                    break;
                case nn.Module<Tensor, Tensor, Tensor> two:
                    var hookOfTwo = two.register_forward_hook((_, _, _, output) => Keep(name, output));
                    hooks.Add(hookOfTwo.remove);
                    break;
                default:
                    Assert.Fail($"{name} cannot be hooked");
                    break;
            }
        run();
        foreach (var remove in hooks)
            remove();
        return seen;

        Tensor Keep(string name, Tensor output)
        {
            seen[name] = output.detach().clone().DetachFromDisposeScope();
            return output;
        }
    }
}
