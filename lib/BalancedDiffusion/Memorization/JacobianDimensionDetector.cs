using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Memorization;

/// <summary>
/// The local intrinsic dimension by the Jacobian, after Ross et al. (2025): a model that has memorized a sample knows
/// no direction in which it could vary. The score is minus the dimension, estimated from products of the denoiser's
/// Jacobian with vectors, taken by central differences, so that it works with every denoiser, whether or not it records
/// gradients. They are taken at the sample itself, or at the re-noised sample: a trained network has never met a
/// sample without the noise level that it is given, and there its Jacobian may say little.
/// </summary>
public sealed class JacobianDimensionDetector : IMemorizationDetector
{
    private readonly IDenoiser denoiser;
    private readonly long dimension;

    /// <summary>A detector for a model.</summary>
    /// <param name="denoiser">The model. It stays its owner's.</param>
    /// <param name="sigma">The noise level, &gt; 0: directions in which the data vary by more than it count. Small, but
    /// one the model was trained at.</param>
    /// <param name="estimate">What is read off the Jacobian.</param>
    /// <param name="probes">How many directions, ≥ 1. From d on, the d unit vectors are taken and nothing is
    /// random.</param>
    /// <param name="threshold">For <see cref="DimensionEstimate.Rank"/>: a singular value counts above it, &gt; 0; 0.5
    /// means a variance above sigma².</param>
    /// <param name="step">The step of the differences over sigma, &gt; 0. Smaller ones suffer from float32's rounding,
    /// larger ones from curvature and kinks.</param>
    /// <param name="renoise">Whether the Jacobian is taken at the sample re-noised to sigma, as the other detectors
    /// do, instead of at the sample itself.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range, or there is no such
    /// estimate.</exception>
    public JacobianDimensionDetector(
        IDenoiser denoiser,
        double sigma,
        DimensionEstimate estimate = DimensionEstimate.Trace,
        int probes = 8,
        double threshold = 0.5,
        double step = 0.1,
        bool renoise = false
    )
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        Guard.Sigma(sigma);
        if (!Enum.IsDefined(estimate))
            throw new ArgumentOutOfRangeException(
                nameof(estimate),
                $"estimate must be Trace, Flipd or Rank, was {estimate}"
            );
        Guard.AtLeast(probes, 1);
        Guard.Positive(threshold);
        Guard.Positive(step);
        dimension = denoiser.SampleShape.Aggregate(1L, (product, n) => product * n);
        (this.denoiser, Sigma, Estimate, Probes, Threshold, Step, Renoises) = (
            denoiser,
            sigma,
            estimate,
            (int)Math.Min(probes, dimension),
            threshold,
            step,
            renoise
        );
        Name =
            $"dimension by {estimate.ToString().ToLowerInvariant()}, sigma "
            + $"{DetectorInput.Number(sigma)}{(renoise ? ", noised" : "")}";
    }

    /// <inheritdoc/>
    public string Name { get; init; }

    /// <summary>The noise level.</summary>
    public double Sigma { get; }

    /// <summary>What is read off the Jacobian.</summary>
    public DimensionEstimate Estimate { get; }

    /// <summary>How many directions, at most d.</summary>
    public int Probes { get; }

    /// <summary>Above it a singular value counts.</summary>
    public double Threshold { get; }

    /// <summary>The step of the differences over sigma.</summary>
    public double Step { get; }

    /// <summary>Whether the Jacobian is taken at the re-noised sample.</summary>
    public bool Renoises { get; }

    /// <inheritdoc/>
    public torch.Tensor Score(torch.Tensor samples, long seed, long firstIndex = 0)
    {
        DetectorInput.Check(samples, denoiser.SampleShape, firstIndex, denoiser);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        // Beyond the draws of noise that make the random directions.
        if (Renoises)
            samples = DetectorInput.Renoise(samples, Sigma, seed, firstIndex, Probes);
        var found =
            Estimate == DimensionEstimate.Rank ? Rank(samples, seed, firstIndex) : Trace(samples, seed, firstIndex);
        if (Estimate == DimensionEstimate.Flipd)
            found.add_(
                (DetectorInput.Estimate(denoiser, samples, Sigma) - DetectorInput.Rows(samples))
                    .square()
                    .sum(1)
                    .div_(Sigma)
                    .div_(Sigma)
            );
        return DetectorInput.ToCaller(found.neg_());
    }

    private torch.Tensor Trace(torch.Tensor samples, long seed, long firstIndex)
    {
        var exact = Probes == dimension;
        var sum = torch.zeros(samples.shape[0], dtype: torch.float64, device: samples.device);
        for (var probe = 0; probe < Probes; probe++)
        {
            SafePoint.Pass();
            using var step = torch.NewDisposeScope();
            var z = exact
                ? DenoiserJacobian.Unit(samples, probe)
                : DetectorInput
                    .Rows(DetectorInput.Noise(samples, seed, firstIndex, probe))
                    .ge(0)
                    .to_type(torch.float64)
                    .mul_(2)
                    .sub_(1);
            sum.add_((DenoiserJacobian.Product(denoiser, samples, z, Sigma, Step) * z).sum(1));
        }
        return exact ? sum : sum.div_(Probes);
    }

    private torch.Tensor Rank(torch.Tensor samples, long seed, long firstIndex) =>
        DenoiserJacobian
            .SingularValues(denoiser, samples, Sigma, Probes, Step, seed, firstIndex)
            .gt(Threshold)
            .sum(1)
            .to_type(torch.float64);
}
