using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>
/// DDIM run backwards (Song et al. 2021, section 4.3; Mokady et al. 2023): from samples up to the noise that they may
/// have come from, <c>x' = x + (s' - s) e</c> with <c>e = (x - f)/s</c> and <c>s' &gt; s</c>. A step up and the
/// sampler's step down again miss the sample by <c>(s' - s) (e(x; s) - e(x'; s'))</c>, of second order in the step,
/// since the way down asks at the other end.
/// </summary>
public static class DdimInversion
{
    /// <summary>Goes up the levels that a <see cref="DdimSampler"/> goes down, without recording a
    /// gradient.</summary>
    /// <param name="denoiser">The denoiser.</param>
    /// <param name="samples">Samples at the last level, (batch, SampleShape…), floating point; left as they are.
    /// Clean samples may be given where that level is small.</param>
    /// <param name="sigmas">At least two noise levels, finite, strictly decreasing, the last above 0.</param>
    /// <param name="options">Record, progress, cancellation; null for the defaults.</param>
    /// <returns>Noisy samples at the first level, of the shape and type of <paramref name="samples"/>. The caller owns
    /// them.</returns>
    /// <exception cref="ArgumentException">A shape does not fit, the samples are not finite, or the levels do not
    /// decrease to one above 0.</exception>
    /// <exception cref="InvalidOperationException">The denoiser gave NaN, infinity or a wrong shape; the message names
    /// the step and the level.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static torch.Tensor Invert(
        IDenoiser denoiser,
        torch.Tensor samples,
        IReadOnlyList<double> sigmas,
        SamplingOptions? options = null
    )
    {
        ArgumentNullException.ThrowIfNull(sigmas);
        SamplerLoop.CheckStart(denoiser, samples);
        SamplerLoop.CheckLevels(sigmas);
        if (sigmas[^1] == 0)
            throw new ArgumentException(
                "sigmas must end above 0, where the noise can be told from the sample, ended at 0; leave the "
                    + "last level out",
                nameof(sigmas)
            );
        return SamplerLoop.Integrate(
            denoiser,
            samples,
            [.. sigmas.Reverse()],
            options ?? new SamplingOptions(),
            step => step.X.lerp_(step.Estimate(step.X, step.Sigma), 1 - step.Next / step.Sigma),
            denoise: false
        );
    }
}
