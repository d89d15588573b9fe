using TorchSharp;

namespace BalancedDiffusion.Datasets;

/// <summary>
/// Captioned faces, some of which occur many times in the training set (<see cref="DuplicateCounts"/>): distinct image
/// i is the face of index i. Nothing is materialized: <see cref="Images"/> renders what is asked for.
/// </summary>
public sealed class DuplicateLadder
{
    /// <summary>A training set with duplicates.</summary>
    /// <param name="faces">The images and captions.</param>
    /// <param name="singles">As for <see cref="DuplicateCounts"/>.</param>
    /// <param name="perStep">Likewise.</param>
    /// <param name="steps">Likewise.</param>
    /// <exception cref="ArgumentException">As for <see cref="DuplicateCounts"/>.</exception>
    public DuplicateLadder(
        CaptionedFaces faces,
        int singles = 50_000,
        int perStep = 8,
        IReadOnlyList<int>? steps = null
    )
    {
        ArgumentNullException.ThrowIfNull(faces);
        (Faces, Counts) = (faces, new DuplicateCounts(singles, perStep, steps));
    }

    /// <summary>The images and captions that the set is made of.</summary>
    public CaptionedFaces Faces { get; }

    /// <summary>How often each of them occurs.</summary>
    public DuplicateCounts Counts { get; }

    /// <summary>The caption of a distinct image; all its duplicates have it.</summary>
    /// <param name="distinct">0 to Distinct - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such image.</exception>
    public string Caption(int distinct)
    {
        Counts.CheckDistinct(distinct, nameof(distinct));
        return Faces.Caption(distinct);
    }

    /// <summary>The class of a distinct image, 0 to 9.</summary>
    /// <param name="distinct">0 to Distinct - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such image.</exception>
    public int Class(int distinct)
    {
        Counts.CheckDistinct(distinct, nameof(distinct));
        return Faces.Class(distinct);
    }

    /// <summary>Distinct images, in the order asked for; one may be asked for more than once.</summary>
    /// <param name="distinct">Their numbers, at least one.</param>
    /// <returns>(numbers, 3, 64, 64), float32, CPU, in [-1, 1]. The caller owns it.</returns>
    /// <exception cref="ArgumentException">There is no number.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such image.</exception>
    public torch.Tensor Images(params IReadOnlyList<int> distinct)
    {
        ArgumentNullException.ThrowIfNull(distinct);
        if (distinct.Count == 0)
            throw new ArgumentException("distinct must name at least one image, was empty", nameof(distinct));
        foreach (var i in distinct)
            Counts.CheckDistinct(i, nameof(distinct));
        return Faces.Images([.. distinct.Select(i => (long)i)]);
    }
}
