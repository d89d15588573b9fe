using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Memorization;

/// <summary>
/// The one-step noise norm: re-noise the sample, <c>y = x + sigma eps</c>, and score by the size of the noise that
/// the model sees in it, <c>‖y - f(y)‖ / (sigma √d)</c>.
/// <para>Sign: for a posterior mean, <c>E‖eps_hat‖² = d - mmse/sigma²</c>. Where the sample is memorized, f(y)
/// ≈ x, all of the noise is recognised and the score is about 1; where the model generalizes, the noise along its
/// directions of variation stays in f(y) and the score is lower. So higher means more memorized. A sample that is far
/// from everything the model knows also scores high, above 1.</para>
/// <para>Wen et al. (2024) take the norm of the difference between the noise under a prompt and under none. That needs
/// the prompt; this is its kin for a model without one, with one term instead of the difference, and its values cannot
/// be compared with theirs.</para>
/// </summary>
public sealed class NoiseNormDetector : AveragedDetector
{
    private readonly IDenoiser denoiser;

    /// <summary>A detector for a model.</summary>
    /// <param name="denoiser">The model. It stays its owner's.</param>
    /// <param name="sigma">The noise level, &gt; 0; large, of the order of the data's own standard deviation. Where it
    /// is far above it both kinds of samples score 1.</param>
    /// <param name="draws">Over how many draws of the noise the score is averaged, ≥ 1. One draw's own size makes the
    /// score deviate by about <c>1/√(2 d)</c>, in few dimensions more than the kinds differ.</param>
    /// <exception cref="ArgumentOutOfRangeException">sigma is not positive and finite, or draws is below 1.</exception>
    public NoiseNormDetector(IDenoiser denoiser, double sigma, int draws = 1)
        : base(sigma, draws)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        this.denoiser = denoiser;
        Name = $"noise norm, sigma {DetectorInput.Number(sigma)}";
    }

    private protected override IReadOnlyList<long> SampleShape => denoiser.SampleShape;

    private protected override object?[] Models => [denoiser];

    private protected override Func<torch.Tensor, torch.Tensor> Scorer(long firstIndex, long count) =>
        noisy => DetectorInput.Norm(DetectorInput.Rows(noisy) - DetectorInput.Estimate(denoiser, noisy, Sigma), Sigma);
}
