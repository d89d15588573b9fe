using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Memorization;

/// <summary>
/// Singular values of a denoiser's Jacobian at a sample (the paper's appendix B): each is the share of a perturbation
/// along one direction that the denoiser keeps. Few large ones mean that it knows no way in which the sample could
/// vary, as for a memorized one; many, that it does.
/// </summary>
public static class JacobianSpectrum
{
    /// <summary>The largest singular values at each sample. Costs <c>4 probes</c> runs of the model (<c>2 d</c> where
    /// probes reaches d).</summary>
    /// <param name="denoiser">The model.</param>
    /// <param name="samples">(batch, SampleShape…), floating point, finite, on the model's device; at least
    /// one.</param>
    /// <param name="sigma">The noise level that the model is given, &gt; 0.</param>
    /// <param name="probes">How many values, 1 to d. Below d they are those on the range of as many random directions,
    /// never too large: exact where the Jacobian is symmetric, as a posterior mean's is, and its rank no greater; else
    /// a little small, the last ones most. A Jacobian far from symmetric may map its own range to nothing: take
    /// d.</param>
    /// <param name="seed">The seed of the random directions; not used where probes is d.</param>
    /// <param name="step">The step of the differences over sigma, &gt; 0.</param>
    /// <returns>(batch, probes), float64, CPU, each row falling. The caller owns it.</returns>
    /// <exception cref="ArgumentException">The samples are empty, not finite, of another shape, type or device than the
    /// network's.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    /// <exception cref="InvalidOperationException">The model cannot run on them, or gave NaN, infinity or a wrong
    /// shape.</exception>
    public static torch.Tensor SingularValues(
        IDenoiser denoiser,
        torch.Tensor samples,
        double sigma,
        int probes,
        long seed = 0,
        double step = 0.1
    )
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        Guard.Sigma(sigma);
        Guard.Positive(step);
        DetectorInput.Check(samples, denoiser.SampleShape, 0, denoiser);
        var dimension = samples.NumberOfElements / samples.shape[0];
        if (probes < 1 || probes > dimension)
            throw new ArgumentOutOfRangeException(
                nameof(probes),
                $"probes must be from 1 to d = {dimension}, was {probes}"
            );
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        return DetectorInput.ToCaller(DenoiserJacobian.SingularValues(denoiser, samples, sigma, probes, step, seed, 0));
    }
}
