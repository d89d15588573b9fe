using BalancedDiffusion.Noise;
using TorchSharp;

namespace BalancedDiffusion.Protocols;

/// <summary>The min-SNR weighting of a loss on predicted noise (Hang et al. 2023): <c>min(SNR, gamma)/SNR</c> with
/// <c>SNR = alphaBar/(1 - alphaBar)</c>, so that timesteps with little noise do not outweigh the others.</summary>
public static class MinSnr
{
    /// <summary>The greatest signal-to-noise ratio that counts in full.</summary>
    public const double Gamma = 5;

    /// <summary>The weight of a timestep, in (0, 1].</summary>
    /// <param name="alphaBar">The share of the signal's variance that is left, in (0, 1).</param>
    /// <exception cref="ArgumentOutOfRangeException">alphaBar is outside (0, 1).</exception>
    public static double Weight(double alphaBar)
    {
        if (!(alphaBar > 0 && alphaBar < 1))
            throw new ArgumentOutOfRangeException(
                nameof(alphaBar),
                $"alphaBar must be between 0 and 1, was {alphaBar}"
            );
        var snr = alphaBar / (1 - alphaBar);
        return Math.Min(snr, Gamma) / snr;
    }

    /// <summary>The weighted squared error of predicted noise, the mean over the batch.</summary>
    internal static torch.Tensor Loss(
        torch.Tensor predicted,
        torch.Tensor noise,
        BetaSchedule schedule,
        IReadOnlyList<int> timesteps
    )
    {
        using var scope = torch.NewDisposeScope();
        var weights = torch.tensor(
            timesteps.Select(t => (float)Weight(schedule.AlphaBar(t))).ToArray(),
            device: predicted.device
        );
        return ((predicted - noise).square().flatten(1).mean([1L]) * weights).mean().MoveToOuterDisposeScope();
    }
}
