using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Noise;

/// <summary>
/// The map between the two notations. Everything here speaks the variance-exploding one, <c>y = x + sigma eps</c>;
/// DDPM, DDIM and Stable Diffusion speak the variance-preserving one, <c>z = sqrt(alphaBar) x + sqrt(1 - alphaBar)
/// eps</c>. They are one process: <c>alphaBar = 1/(1 + sigma²)</c>, <c>z = y/sqrt(1 + sigma²)</c>, and the clean
/// estimate E[x | y] = E[x | z] is the same.
/// </summary>
public static class VariancePreserving
{
    /// <summary><c>alphaBar = 1/(1 + sigma²)</c>, in (0, 1].</summary>
    /// <param name="sigma">The noise level, ≥ 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">sigma is negative or not finite.</exception>
    public static double AlphaBar(double sigma)
    {
        Guard.NotNegative(sigma);
        return 1 / (1 + sigma * sigma);
    }

    /// <summary><c>sigma = sqrt((1 - alphaBar)/alphaBar)</c>, ≥ 0.</summary>
    /// <param name="alphaBar">In (0, 1].</param>
    /// <exception cref="ArgumentOutOfRangeException">alphaBar is outside (0, 1].</exception>
    public static double Sigma(double alphaBar)
    {
        if (!(alphaBar > 0) || !(alphaBar <= 1))
            throw new ArgumentOutOfRangeException(
                nameof(alphaBar),
                $"alphaBar must be above 0 and at most 1, was {alphaBar}"
            );
        return Math.Sqrt((1 - alphaBar) / alphaBar);
    }

    /// <summary><c>sqrt(alphaBar) = 1/sqrt(1 + sigma²)</c>, the factor of the clean sample in z.</summary>
    /// <param name="sigma">The noise level, ≥ 0.</param>
    public static double SignalScale(double sigma)
    {
        Guard.NotNegative(sigma);
        return 1 / Math.Sqrt(1 + sigma * sigma);
    }

    /// <summary><c>sqrt(1 - alphaBar) = sigma/sqrt(1 + sigma²)</c>, the factor of the noise in z.</summary>
    /// <param name="sigma">The noise level, ≥ 0.</param>
    public static double NoiseScale(double sigma) => sigma * SignalScale(sigma);

    /// <summary>The logarithm of the signal-to-noise ratio, <c>ln(alphaBar/(1 - alphaBar)) = -2 ln sigma</c>.</summary>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    public static double LogSnr(double sigma)
    {
        Guard.Sigma(sigma);
        return -2 * Math.Log(sigma);
    }

    /// <summary><c>z = y/sqrt(1 + sigma²)</c>: what a network trained in the variance-preserving notation is
    /// given.</summary>
    /// <param name="y">Samples in the variance-exploding notation, any shape.</param>
    /// <param name="sigma">Their noise level, ≥ 0.</param>
    /// <returns>A new tensor, which the caller owns.</returns>
    public static torch.Tensor FromExploding(torch.Tensor y, double sigma)
    {
        ArgumentNullException.ThrowIfNull(y);
        return y.mul(SignalScale(sigma));
    }

    /// <summary><c>y = z sqrt(1 + sigma²)</c>.</summary>
    /// <param name="z">Samples in the variance-preserving notation, any shape.</param>
    /// <param name="sigma">Their noise level, ≥ 0.</param>
    /// <returns>A new tensor, which the caller owns.</returns>
    public static torch.Tensor ToExploding(torch.Tensor z, double sigma)
    {
        ArgumentNullException.ThrowIfNull(z);
        return z.mul(1 / SignalScale(sigma));
    }

    /// <summary>The clean estimate of a network that predicts the noise: <c>x = y - sigma eps</c>.</summary>
    /// <param name="y">Samples in the variance-exploding notation.</param>
    /// <param name="epsilon">The predicted noise, the shape of <paramref name="y"/>.</param>
    /// <param name="sigma">The noise level, ≥ 0.</param>
    /// <returns>A new tensor, which the caller owns.</returns>
    /// <exception cref="ArgumentException">The shapes differ.</exception>
    public static torch.Tensor CleanFromNoise(torch.Tensor y, torch.Tensor epsilon, double sigma)
    {
        ArgumentNullException.ThrowIfNull(y);
        Guard.Shape(epsilon, y.shape);
        Guard.NotNegative(sigma);
        return y.add(epsilon, alpha: -sigma);
    }

    /// <summary>The clean estimate of a network that predicts the velocity <c>v = sqrt(alphaBar) eps - sqrt(1 -
    /// alphaBar) x</c> (Salimans and Ho 2022): <c>x = sqrt(alphaBar) z - sqrt(1 - alphaBar) v = alphaBar y - sqrt(1 -
    /// alphaBar) v</c>.</summary>
    /// <param name="y">Samples in the variance-exploding notation.</param>
    /// <param name="velocity">The predicted velocity, the shape of <paramref name="y"/>.</param>
    /// <param name="sigma">The noise level, ≥ 0.</param>
    /// <returns>A new tensor, which the caller owns.</returns>
    /// <exception cref="ArgumentException">The shapes differ.</exception>
    public static torch.Tensor CleanFromVelocity(torch.Tensor y, torch.Tensor velocity, double sigma)
    {
        ArgumentNullException.ThrowIfNull(y);
        Guard.Shape(velocity, y.shape);
        Guard.NotNegative(sigma);
        using var scope = torch.NewDisposeScope();
        return y.mul(AlphaBar(sigma)).add(velocity, alpha: -NoiseScale(sigma)).MoveToOuterDisposeScope();
    }

    /// <summary>ln(1 + x) to full precision near 0, for x &gt; -1.</summary>
    internal static double LogOnePlus(double x) => Math.Abs(x) < 0.5 ? 2 * Math.Atanh(x / (2 + x)) : Math.Log(1 + x);
}
