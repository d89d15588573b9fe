using BalancedDiffusion.Datasets;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Protocols;

/// <summary>The images that a deep network is trained on: some repeated, the others once each.</summary>
public sealed class DeepTrainingSet : IDisposable
{
    /// <summary>Takes over the images.</summary>
    /// <param name="distinct">All images, each once, the repeated ones first.</param>
    /// <param name="repeated">How many of the first are repeated, 0 to their number.</param>
    /// <param name="occurrences">How often each of these occurs, ≥ 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public DeepTrainingSet(ImageDataset distinct, int repeated = 0, int occurrences = 1)
    {
        ArgumentNullException.ThrowIfNull(distinct);
        Guard.AtLeast(occurrences, 1);
        if (repeated < 0 || repeated > distinct.Count)
            throw new ArgumentOutOfRangeException(
                nameof(repeated),
                $"repeated must be from 0 to {distinct.Count}, was {repeated}"
            );
        (Distinct, Repeated, Occurrences) = (distinct, repeated, occurrences);
    }

    /// <summary>All images, each once, the repeated ones first: what memorization is judged against.</summary>
    public ImageDataset Distinct { get; }

    /// <summary>How many of the first are repeated.</summary>
    public int Repeated { get; }

    /// <summary>How often each of these occurs.</summary>
    public int Occurrences { get; }

    /// <summary>How many images there are, duplicates counted.</summary>
    public int Count => Distinct.Count + Repeated * (Occurrences - 1);

    /// <summary>All images, duplicates included, (<see cref="Count"/>, channels, height, width), which the caller
    /// owns.</summary>
    public torch.Tensor Rows()
    {
        using var scope = torch.NewDisposeScope();
        var once = Distinct.Images;
        if (Repeated == 0 || Occurrences == 1)
            return once.clone().MoveToOuterDisposeScope();
        var again = once.narrow(0, 0, Repeated).repeat(Occurrences - 1, 1, 1, 1);
        return torch.cat([once, again], 0).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose() => Distinct.Dispose();
}
