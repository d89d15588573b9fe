using BalancedDiffusion.Denoisers;
using TorchSharp;
using TorchSharp.Modules;

namespace BalancedDiffusion.Tests.Training;

/// <summary>A denoiser that sees the noise level, drops units and keeps a buffer: everything that the general path of
/// training must carry.</summary>
internal sealed class SmallNetwork : torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor>, IDenoiser
{
    private readonly Linear first,
        second;
    private readonly Dropout dropout;
    private readonly BatchNorm1d norm;
    private readonly long dimension;

    public SmallNetwork(long dimension, long seed, double drop = 0.2)
        : base(nameof(SmallNetwork))
    {
        this.dimension = dimension;
        first = torch.nn.Linear(dimension + 1, 16);
        norm = torch.nn.BatchNorm1d(16);
        dropout = torch.nn.Dropout(drop);
        second = torch.nn.Linear(16, dimension);
        RegisterComponents();
        using var noGrad = torch.no_grad();
        using var generator = new torch.Generator((ulong)seed, torch.CPU);
        foreach (var p in new[] { first.weight, first.bias!, second.weight, second.bias! })
            p.normal_(0, 0.3, generator);
    }

    public IReadOnlyList<long> SampleShape => [dimension];

    public override torch.Tensor forward(torch.Tensor noisy, torch.Tensor sigma)
    {
        using var scope = torch.NewDisposeScope();
        var level = sigma.log().expand(noisy.shape[0]).view(-1, 1);
        return second
            .call(dropout.call(norm.call(first.call(torch.cat([noisy, level], 1))).relu()))
            .MoveToOuterDisposeScope();
    }

    public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma) => call(noisy, sigma);
}

/// <summary>A ReLU-DAE in a coat, so that training cannot know it and takes the general path.</summary>
internal sealed class CoatedDae : torch.nn.Module, IDenoiser
{
    private readonly ReluDae inner;

    public CoatedDae(ReluDae inner)
        : base(nameof(CoatedDae))
    {
        this.inner = inner;
        RegisterComponents();
    }

    public IReadOnlyList<long> SampleShape => inner.SampleShape;

    /// <summary>The call, counted from 1, whose answer is NaN; 0 for none.</summary>
    public int FailsAtCall { get; init; }

    private int calls;

    public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma)
    {
        var clean = inner.Denoise(noisy, sigma);
        return ++calls == FailsAtCall ? clean.mul(float.NaN) : clean;
    }
}

/// <summary>Calls back at once, on the training thread (Progress&lt;T&gt; would post).</summary>
internal sealed class CallbackProgress<T>(Action<T> action) : IProgress<T>
{
    public void Report(T value) => action(value);
}

/// <summary>Tests that dropout takes part in run alone: other threads' layers draw their first weights from the same
/// global generator.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class GlobalGenerator
{
    public const string Name = "torch's global generator";
}
