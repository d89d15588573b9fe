using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Sampling;
using TorchSharp;

namespace BalancedDiffusion.Memorization;

/// <summary>
/// Multi-sample consistency, after Carlini et al. (2023), who draw many images under one prompt and call it memorized
/// when they agree. Without a prompt the sample itself is the condition: it is noised anew K times to a large level,
/// each copy is denoised, and the score is minus their mean distance, <c>-mean over pairs of ‖x_j - x_k‖/√d</c>.
/// Always ≤ 0; 0 where all copies come back the same.
/// </summary>
public sealed class ConsistencyDetector : IMemorizationDetector
{
    private readonly IDenoiser denoiser;
    private readonly ISampler? sampler;
    private readonly double[] sigmas;

    /// <summary>A detector that denoises each copy in one step.</summary>
    /// <param name="denoiser">The model. It stays its owner's.</param>
    /// <param name="sigma">The level to which samples are noised, &gt; 0.</param>
    /// <param name="copies">K, ≥ 2; K runs of the model a sample.</param>
    /// <exception cref="ArgumentOutOfRangeException">sigma is not positive and finite, or copies is below
    /// 2.</exception>
    public ConsistencyDetector(IDenoiser denoiser, double sigma, int copies = 4)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        Guard.Sigma(sigma);
        Guard.AtLeast(copies, 2);
        (this.denoiser, sigmas, Copies) = (denoiser, [sigma], copies);
        Name = $"consistency of {copies}, sigma {DetectorInput.Number(sigma)}";
    }

    /// <summary>A detector that samples anew from each noised copy.</summary>
    /// <param name="denoiser">The model. It stays its owner's.</param>
    /// <param name="sampler">Walks each copy down the levels; a deterministic one, or one with fresh noise.</param>
    /// <param name="sigmas">At least two noise levels, strictly decreasing, the last may be 0; samples are noised to
    /// the first.</param>
    /// <param name="copies">K, ≥ 2.</param>
    /// <exception cref="ArgumentException">The levels do not decrease.</exception>
    /// <exception cref="ArgumentOutOfRangeException">copies is below 2.</exception>
    public ConsistencyDetector(IDenoiser denoiser, ISampler sampler, IReadOnlyList<double> sigmas, int copies = 4)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(sampler);
        ArgumentNullException.ThrowIfNull(sigmas);
        SamplerLoop.CheckLevels(sigmas);
        Guard.AtLeast(copies, 2);
        (this.denoiser, this.sampler, this.sigmas, Copies) = (denoiser, sampler, [.. sigmas], copies);
        Name = $"consistency of {copies} sampled in {sigmas.Count - 1} steps, sigma {DetectorInput.Number(sigmas[0])}";
    }

    /// <inheritdoc/>
    public string Name { get; init; }

    /// <summary>The level to which samples are noised.</summary>
    public double Sigma => sigmas[0];

    /// <summary>K.</summary>
    public int Copies { get; }

    /// <inheritdoc/>
    public torch.Tensor Score(torch.Tensor samples, long seed, long firstIndex = 0)
    {
        DetectorInput.Check(samples, denoiser.SampleShape, firstIndex, denoiser);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var copies = new torch.Tensor[Copies];
        for (var k = 0; k < Copies; k++)
        {
            SafePoint.Pass();
            using var step = torch.NewDisposeScope();
            var noisy = DetectorInput.Renoise(samples, Sigma, seed, firstIndex, k);
            copies[k] = (
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
        for (var j = 0; j < Copies; j++)
        for (var k = 0; k < j; k++)
        {
            using var step = torch.NewDisposeScope();
            sum.sub_((copies[j] - copies[k]).square().mean([1L]).sqrt());
        }
        return DetectorInput.Hand(sum.div_(Copies * (Copies - 1) / 2.0));
    }
}
