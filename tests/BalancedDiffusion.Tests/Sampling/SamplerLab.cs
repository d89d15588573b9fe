using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Sampling;
using TorchSharp;

namespace BalancedDiffusion.Tests.Sampling;

/// <summary>What the tests of samplers share: every kind of sampler, and denoisers with closed forms.</summary>
internal static class SamplerLab
{
    public static readonly ISampler[] Deterministic =
    [
        new EulerSampler(),
        new HeunSampler(),
        new DdimSampler(),
        new DpmSolverSampler(),
    ];
    public static readonly ISampler[] Stochastic =
    [
        new ReverseDiffusionSampler(),
        new DdpmSampler(),
        new DdimSampler(0.5),
        new HeunSampler(Churn: 4),
    ];
    public static readonly ISampler[] All = [.. Deterministic, .. Stochastic];

    /// <summary>Any function of noisy vectors of length d and their level.</summary>
    public sealed class From(int d, Func<torch.Tensor, double, torch.Tensor> denoise) : IDenoiser
    {
        public IReadOnlyList<long> SampleShape => [d];

        public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma) =>
            denoise(noisy, sigma.to_type(torch.float64).item<double>());
    }

    /// <summary>The posterior mean of data N(mean, variance I).</summary>
    public static From Gaussian(int d, double mean, double variance) =>
        new(d, (y, s) => (y - mean) * (variance / (variance + s * s)) + mean);

    public sealed class Steps : IProgress<int>
    {
        public List<int> Seen { get; } = [];

        public void Report(int value) => Seen.Add(value);
    }
}
