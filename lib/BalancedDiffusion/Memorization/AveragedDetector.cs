using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Memorization;

/// <summary>A detector that re-noises samples to one level and averages its score over draws of that noise.</summary>
public abstract class AveragedDetector : IMemorizationDetector
{
    private protected AveragedDetector(double sigma, int draws)
    {
        Guard.Sigma(sigma);
        Guard.AtLeast(draws, 1);
        (Sigma, Draws) = (sigma, draws);
    }

    /// <inheritdoc/>
    public string Name { get; init; } = "";

    /// <summary>The noise level.</summary>
    public double Sigma { get; }

    /// <summary>Over how many draws of the noise the score is averaged.</summary>
    public int Draws { get; }

    /// <inheritdoc/>
    public torch.Tensor Score(torch.Tensor samples, long seed, long firstIndex = 0)
    {
        DetectorInput.Check(samples, SampleShape, firstIndex, Models);
        var score = Scorer(firstIndex, samples.shape[0]);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var sum = torch.zeros(samples.shape[0], dtype: torch.float64, device: samples.device);
        for (var draw = 0; draw < Draws; draw++)
        {
            SafePoint.Pass();
            using var step = torch.NewDisposeScope();
            sum.add_(score(DetectorInput.Renoise(samples, Sigma, seed, firstIndex, draw)));
        }
        return DetectorInput.ToCaller(sum.div_(Draws));
    }

    /// <summary>The shape of one sample.</summary>
    private protected abstract IReadOnlyList<long> SampleShape { get; }

    /// <summary>What is run on the samples; where one is a network, they must have its type and device.</summary>
    private protected abstract object?[] Models { get; }

    /// <summary>The score of noisy samples (batch), float64, for the samples from this index on.</summary>
    private protected abstract Func<torch.Tensor, torch.Tensor> Scorer(long firstIndex, long count);
}
