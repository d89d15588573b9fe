using BalancedDiffusion.Datasets.Faces;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Datasets;

/// <summary>
/// An endless data set of rendered faces of 64×64 in colour, each with a caption and a class: image, caption and class
/// of an index are those of the same face. Images are rendered when they are asked for and none is kept, so that a set
/// of any size takes no memory. Training images are the indices from 0 on, held-out ones those from
/// <see cref="ParametricFaces.FirstTestIndex"/> on.
/// </summary>
public sealed class CaptionedFaces
{
    /// <summary>Pixels in height and width.</summary>
    public const int Size = 64;

    private readonly ParametricFaces faces;

    /// <summary>A sequence of captioned faces.</summary>
    /// <param name="seed">Any number; another seed is another sequence.</param>
    public CaptionedFaces(long seed = 0) => faces = new ParametricFaces(Size, true, seed);

    /// <summary>The seed of the sequence.</summary>
    public long Seed => faces.Seed;

    /// <summary>What the image of this index is rendered from.</summary>
    /// <param name="index">≥ 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">index is negative.</exception>
    public FaceFactors Factors(long index)
    {
        Guard.AtLeast(index, 0);
        return FaceDistribution.Draw(Seed, index);
    }

    /// <summary>The caption of the image of this index (<see cref="FaceCaptions.Of"/>).</summary>
    /// <param name="index">≥ 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">index is negative.</exception>
    public string Caption(long index) => FaceCaptions.Of(Factors(index), Seed, index);

    /// <summary>The class of the image of this index, 0 to 9 (<see cref="FaceClasses"/>).</summary>
    /// <param name="index">≥ 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">index is negative.</exception>
    public int Class(long index) => FaceClasses.Of(Factors(index));

    /// <summary>The captions of the indices start, …, start + count - 1.</summary>
    /// <param name="start">The first index, ≥ 0.</param>
    /// <param name="count">How many, ≥ 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">start is negative or count below 1.</exception>
    public IReadOnlyList<string> Captions(long start, int count)
    {
        Guard.AtLeast(start, 0);
        Guard.AtLeast(count, 1);
        var captions = new string[count];
        Parallel.For(
            0,
            count,
            new ParallelOptions { CancellationToken = SafePoint.Token },
            i => captions[i] = Caption(start + i)
        );
        return captions;
    }

    /// <summary>The images of the indices start, …, start + count - 1, with classes as labels and factors as
    /// attributes. The caller owns the data set.</summary>
    /// <param name="start">The first index, ≥ 0.</param>
    /// <param name="count">How many, ≥ 1.</param>
    /// <returns>Images (count, 3, 64, 64), float32, CPU, in [-1, 1].</returns>
    /// <exception cref="ArgumentOutOfRangeException">start is negative or count below 1.</exception>
    public ImageDataset Render(long start, int count)
    {
        var set = faces.Render(start, count);
        var labels = Enumerable.Range(0, count).Select(i => Class(start + i)).ToArray();
        return new ImageDataset(set.Name, set.Images, labels, set.Attributes);
    }

    /// <summary>The images of any indices, in this order.</summary>
    /// <param name="indices">At least one, each ≥ 0.</param>
    /// <returns>(indices, 3, 64, 64), float32, CPU, in [-1, 1]. The caller owns it.</returns>
    /// <exception cref="ArgumentException">There is no index.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index is negative.</exception>
    public torch.Tensor Images(params IReadOnlyList<long> indices)
    {
        ArgumentNullException.ThrowIfNull(indices);
        if (indices.Count == 0)
            throw new ArgumentException("indices must name at least one image, was empty", nameof(indices));
        foreach (var index in indices)
            Guard.AtLeast(index, 0);
        return faces.Images(indices);
    }

    /// <summary>The first so many held-out images; no training image is among them.</summary>
    /// <param name="count">How many, ≥ 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">count is below 1.</exception>
    public ImageDataset HeldOut(int count) => Render(ParametricFaces.FirstTestIndex, count);

    /// <summary>The captions of the first so many held-out images.</summary>
    /// <param name="count">How many, ≥ 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">count is below 1.</exception>
    public IReadOnlyList<string> HeldOutCaptions(int count) => Captions(ParametricFaces.FirstTestIndex, count);
}
