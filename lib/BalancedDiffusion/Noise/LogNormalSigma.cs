using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Noise;

/// <summary>Noise levels with a normal logarithm, as EDM is trained with (Karras et al. 2022, table 1): <c>ln sigma ~
/// N(mean, std²)</c>, -1.2 and 1.2 there.</summary>
public sealed record LogNormalSigma : ISigmaDistribution
{
    /// <summary>A log-normal distribution.</summary>
    /// <param name="mean">The mean of ln sigma; the median level is e^mean.</param>
    /// <param name="std">The standard deviation of ln sigma, &gt; 0. Eight of them about the mean must stay
    /// within ±80, so that float32 holds every level.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public LogNormalSigma(double mean = -1.2, double std = 1.2)
    {
        Guard.Positive(std);
        if (!(Math.Abs(mean) + 8 * std <= 80))
            throw new ArgumentOutOfRangeException(
                nameof(mean),
                $"mean must stay within ±80 with eight standard deviations of {std} added, so that float32 holds "
                    + $"the levels, was {mean}"
            );
        (Mean, Std) = (mean, std);
    }

    /// <summary>The mean of ln sigma.</summary>
    public double Mean { get; }

    /// <summary>The standard deviation of ln sigma.</summary>
    public double Std { get; }

    /// <inheritdoc/>
    public torch.Tensor Draw(long count, torch.Generator generator, torch.Device device) =>
        torch
            .randn([count], dtype: torch.float32, device: device, generator: generator)
            .mul_(Std)
            .add_(Mean)
            .exp_()
            .alias();
}
