using BalancedDiffusion.Datasets.Faces;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Datasets;

/// <summary>
/// An endless data set of rendered faces whose distribution is known (<see cref="FaceDistribution"/>): training images
/// are the indices 0, 1, 2, …, test images the indices 2^40, 2^40 + 1, …, so the two never overlap. The factors of
/// every image are in its attributes, under their names.
/// </summary>
public sealed class ParametricFaces : IImageSource
{
    /// <summary>The index of the first test image.</summary>
    public const long FirstTestIndex = 1L << 40;

    private readonly FaceRenderer renderer;

    /// <summary>A sequence of faces.</summary>
    /// <param name="size">Pixels in height and width: 32 or 64.</param>
    /// <param name="rgb">Three channels in place of one.</param>
    /// <param name="seed">Any number; another seed is another sequence.</param>
    /// <exception cref="ArgumentOutOfRangeException">size is neither 32 nor 64.</exception>
    public ParametricFaces(int size = 32, bool rgb = false, long seed = 0)
    {
        renderer = new FaceRenderer(size, rgb);
        Seed = seed;
    }

    /// <summary>The seed of the sequence.</summary>
    public long Seed { get; }

    /// <summary>Pixels in height and width: 32 or 64.</summary>
    public int Size => renderer.Size;

    /// <summary>Whether the images have three channels.</summary>
    public bool Rgb => renderer.Rgb;

    /// <inheritdoc/>
    public string Name => "faces";

    /// <inheritdoc/>
    public int TrainCapacity => int.MaxValue;

    /// <inheritdoc/>
    public int TestCapacity => int.MaxValue;

    /// <inheritdoc/>
    public bool MayBePublished => true;

    /// <inheritdoc/>
    public ImageDataset Train(int count) => Render(0, count);

    /// <inheritdoc/>
    public ImageDataset Test(int count) => Render(FirstTestIndex, count);

    /// <summary>
    /// The images of the indices start, …, start + count - 1, with the factors of each as attributes. The same on
    /// every call, whatever the number of threads and wherever the range starts. The caller owns the data set.
    /// </summary>
    /// <param name="start">The first index, ≥ 0.</param>
    /// <param name="count">How many images, ≥ 1.</param>
    /// <returns>Images (count, 1 or 3, size, size), float32, CPU, in [-1, 1].</returns>
    /// <exception cref="ArgumentOutOfRangeException">start is negative, count is below 1, or start + count passes the
    /// last index.</exception>
    public ImageDataset Render(long start, int count)
    {
        Guard.AtLeast(start, 0);
        Guard.AtLeast(count, 1);
        if (start > long.MaxValue - count)
            throw new ArgumentOutOfRangeException(
                nameof(start),
                $"start must leave {count} images below {long.MaxValue}, was {start}"
            );
        var names = FaceFactors.Names;
        var values = names.Select(_ => new float[count]).ToArray();
        var images = Empty(count);
        try
        {
            Fill(
                images,
                count,
                i =>
                {
                    var factors = FaceDistribution.Draw(Seed, start + i);
                    for (var k = 0; k < values.Length; k++)
                        values[k][i] = factors.At(k);
                    return factors;
                }
            );
            return new ImageDataset(
                Name,
                images,
                attributes: names.Zip(values).ToDictionary(pair => pair.First, pair => pair.Second)
            );
        }
        catch
        {
            images.Dispose();
            throw;
        }
    }

    /// <summary>The images of any indices, (indices, channels, size, size); the caller owns them.</summary>
    internal torch.Tensor Images(IReadOnlyList<long> indices)
    {
        var images = Empty(indices.Count);
        try
        {
            Fill(images, indices.Count, i => FaceDistribution.Draw(Seed, indices[i]));
            return images;
        }
        catch
        {
            images.Dispose();
            throw;
        }
    }

    private torch.Tensor Empty(int count) => torch.empty([count, Rgb ? 3 : 1, Size, Size], dtype: torch.float32);

    private unsafe void Fill(torch.Tensor images, int count, Func<int, FaceFactors> factorsOf)
    {
        const int size = 8;
        long length = renderer.Length;
        using var head = images.narrow(0, 0, 1);
        fixed (byte* first = head.bytes) // native memory, which does not move and is contiguous over all images
        {
            var address = (nint)first;
            Parallel.For(
                0,
                (count + size - 1) / size,
                new ParallelOptions { CancellationToken = SafePoint.Token },
                block =>
                {
                    for (var i = block * size; i < Math.Min(count, (block + 1) * size); i++)
                        renderer.Render(factorsOf(i), new Span<float>((float*)address + i * length, (int)length));
                }
            );
        }
    }
}
