using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>Turns noise into samples along decreasing noise levels with a denoiser.</summary>
public interface ISampler
{
    /// <summary>Samples from noisy starts along the levels, without recording a gradient.</summary>
    /// <param name="denoiser">The denoiser.</param>
    /// <param name="start">Starts at the first level, (batch, SampleShape…), floating point; left as they
    /// are.</param>
    /// <param name="sigmas">At least two noise levels, finite, strictly decreasing; the last may be 0.</param>
    /// <param name="options">Seed, record, progress, cancellation; null for the defaults. Deterministic samplers ignore
    /// the seed.</param>
    /// <returns>Samples, the shape and type of <paramref name="start"/>. The caller owns them.</returns>
    /// <exception cref="ArgumentException">A shape does not fit, the start is not finite, or the levels do not
    /// decrease.</exception>
    /// <exception cref="InvalidOperationException">The denoiser gave NaN, infinity or a wrong shape; the message names
    /// the step and the level.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    torch.Tensor Sample(
        IDenoiser denoiser,
        torch.Tensor start,
        IReadOnlyList<double> sigmas,
        SamplingOptions? options = null
    );
}
