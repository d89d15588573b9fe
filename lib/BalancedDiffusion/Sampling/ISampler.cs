using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>Turns noise into samples by following a denoiser from the greatest noise level down to the least.</summary>
public interface ISampler
{
    /// <summary>Runs the sampler.</summary>
    /// <param name="denoiser">The denoiser to follow.</param>
    /// <param name="start">Noisy samples at level <c>sigmas[0]</c>, (batch, SampleShape…); left as they are.</param>
    /// <param name="sigmas">Noise levels, at least two, strictly decreasing, all &gt; 0 but the last, which may be 0.</param>
    /// <param name="seed">The seed of the noise that a stochastic sampler adds; row i of the batch draws from
    /// <c>Seeds.Derive(seed, i)</c>, so that it is the same alone or in a batch. A deterministic sampler ignores it.</param>
    /// <param name="progress">Told the number of steps done, after each.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    /// <returns>Samples of the shape of <paramref name="start"/>, which the caller owns.</returns>
    /// <exception cref="ArgumentException">The levels or the start are unfit.</exception>
    /// <exception cref="InvalidOperationException">The denoiser answered with NaN or infinity; the message names the step.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    torch.Tensor Sample(IDenoiser denoiser, torch.Tensor start, IReadOnlyList<double> sigmas, long seed = 0, IProgress<int>? progress = null, CancellationToken cancellation = default);
}
