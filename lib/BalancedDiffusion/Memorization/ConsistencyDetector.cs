using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Sampling;
using TorchSharp;

namespace BalancedDiffusion.Memorization;

/// <summary>
/// Multi-sample consistency, after Carlini et al. (2023), who draw many images under one prompt and call it memorized
/// when they agree. Without a prompt the sample itself is the condition: it is re-noised K times to a large level,
/// each noisy version is denoised, and the score is minus their mean distance, <c>-mean over pairs of ‖x_j -
/// x_k‖/√d</c>. Always ≤ 0; 0 where all versions come back the same.
/// </summary>
public sealed class ConsistencyDetector : IMemorizationDetector
{
    private readonly IDenoiser denoiser;
    private readonly ISampler? sampler;
    private readonly double[] sigmas;

    /// <summary>A detector that denoises each version in one step.</summary>
    /// <param name="denoiser">The model. It stays its owner's.</param>
    /// <param name="sigma">The level to which samples are noised, &gt; 0.</param>
    /// <param name="versions">K, ≥ 2; K runs of the model a sample.</param>
    /// <exception cref="ArgumentOutOfRangeException">sigma is not positive and finite, or copies is below
    /// 2.</exception>
    public ConsistencyDetector(IDenoiser denoiser, double sigma, int versions = 4)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        Guard.Sigma(sigma);
        Guard.AtLeast(versions, 2);
        (this.denoiser, sigmas, Versions) = (denoiser, [sigma], versions);
        Name = $"consistency of {versions}, sigma {DetectorInput.Number(sigma)}";
    }

    /// <summary>A detector that samples again from each noisy version.</summary>
    /// <param name="denoiser">The model. It stays its owner's.</param>
    /// <param name="sampler">Samples from each version; a deterministic sampler, or a stochastic one.</param>
    /// <param name="sigmas">At least two noise levels, strictly decreasing, the last may be 0; samples are noised to
    /// the first.</param>
    /// <param name="versions">K, ≥ 2.</param>
    /// <exception cref="ArgumentException">The levels do not decrease.</exception>
    /// <exception cref="ArgumentOutOfRangeException">copies is below 2.</exception>
    public ConsistencyDetector(IDenoiser denoiser, ISampler sampler, IReadOnlyList<double> sigmas, int versions = 4)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(sampler);
        ArgumentNullException.ThrowIfNull(sigmas);
        SamplerLoop.CheckLevels(sigmas);
        Guard.AtLeast(versions, 2);
        (this.denoiser, this.sampler, this.sigmas, Versions) = (denoiser, sampler, [.. sigmas], versions);
        Name =
            $"consistency of {versions} sampled in {sigmas.Count - 1} steps, sigma {DetectorInput.Number(sigmas[0])}";
    }

    /// <inheritdoc/>
    public string Name { get; init; }

    /// <summary>The level to which samples are noised.</summary>
    public double Sigma => sigmas[0];

    /// <summary>K.</summary>
    public int Versions { get; }

    /// <inheritdoc/>
    public torch.Tensor Score(torch.Tensor samples, long seed, long firstIndex = 0)
    {
        DetectorInput.Check(samples, denoiser.SampleShape, firstIndex, denoiser);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var versions = new torch.Tensor[Versions];
        for (var k = 0; k < Versions; k++)
        {
            SafePoint.Pass();
            using var step = torch.NewDisposeScope();
            var noisy = DetectorInput.Renoise(samples, Sigma, seed, firstIndex, k);
            versions[k] = (
                sampler is null
                    ? DetectorInput.Estimate(denoiser, noisy, Sigma)
                    : DetectorInput.Rows(
                        DetectorInput.Run(
                            () =>
                                sampler.Sample(
                                    denoiser,
                                    noisy,
                                    sigmas,
                                    new SamplingOptions
                                    {
                                        Seed = Seeds.Derive(Seeds.Derive(seed, "consistency"), k),
                                        FirstIndex = firstIndex,
                                    }
                                ),
                            Sigma
                        )
                    )
            )
                .alias()
                .MoveToOuterDisposeScope();
        }
        var sum = torch.zeros(samples.shape[0], dtype: torch.float64, device: samples.device);
        for (var j = 0; j < Versions; j++)
        for (var k = 0; k < j; k++)
        {
            using var step = torch.NewDisposeScope();
            sum.sub_((versions[j] - versions[k]).square().mean([1L]).sqrt());
        }
        return DetectorInput.ToCaller(sum.div_(Versions * (Versions - 1) / 2.0));
    }
}
