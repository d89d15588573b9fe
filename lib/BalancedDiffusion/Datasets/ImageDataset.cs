using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Datasets;

/// <summary>Images in memory, scaled to [-1, 1], with what is known of each.</summary>
public sealed class ImageDataset : IDisposable
{
    /// <summary>Takes over the images.</summary>
    /// <param name="name">The name of the data set, e.g. <c>faces</c>.</param>
    /// <param name="images">Images on the CPU, (n, channels, height, width), float32, in [-1, 1].</param>
    /// <param name="labels">A class label an image, or null.</param>
    /// <param name="attributes">Named attributes or factors, each with one number an image, or null.</param>
    /// <exception cref="ArgumentException">The set is empty, a shape is wrong, or a pixel is not finite.</exception>
    public ImageDataset(
        string name,
        torch.Tensor images,
        IReadOnlyList<int>? labels = null,
        IReadOnlyDictionary<string, float[]>? attributes = null
    )
    {
        Guard.Shape(images, [-1, -1, -1, -1]);
        if (images.shape[0] == 0)
            throw new ArgumentException($"the data set '{name}' is empty; ask for at least one image", nameof(images));
        Guard.Finite(images);
        if (labels is not null && labels.Count != images.shape[0])
            throw new ArgumentException(
                $"{images.shape[0]} images need as many labels, was {labels.Count}",
                nameof(labels)
            );
        foreach (var (key, values) in attributes ?? new Dictionary<string, float[]>())
            if (values.Length != images.shape[0])
                throw new ArgumentException(
                    $"{images.shape[0]} images need as many values of '{key}', was {values.Length}",
                    nameof(attributes)
                );
        Name = name;
        Images = images;
        Labels = labels;
        Attributes = attributes ?? new Dictionary<string, float[]>();
    }

    /// <summary>The name of the data set.</summary>
    public string Name { get; }

    /// <summary>All images, (n, channels, height, width), float32, CPU, in [-1, 1].</summary>
    public torch.Tensor Images { get; }

    /// <summary>The same memory as vectors, (n, d) with d = channels · height · width. The caller owns the
    /// view.</summary>
    public torch.Tensor Vectors => Images.view(Count, Dimension);

    /// <summary>A class label an image, or null.</summary>
    public IReadOnlyList<int>? Labels { get; }

    /// <summary>Named attributes or factors, each with one number an image.</summary>
    public IReadOnlyDictionary<string, float[]> Attributes { get; }

    /// <summary>n.</summary>
    public int Count => (int)Images.shape[0];

    /// <summary>1 for grey, 3 for RGB.</summary>
    public int Channels => (int)Images.shape[1];

    /// <summary>Pixels from top to bottom.</summary>
    public int Height => (int)Images.shape[2];

    /// <summary>Pixels from left to right.</summary>
    public int Width => (int)Images.shape[3];

    /// <summary>d = channels · height · width.</summary>
    public int Dimension => Channels * Height * Width;

    /// <summary>A copy that holds the images at these indices, in this order.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An index is outside the set, or none was given.</exception>
    public ImageDataset Select(params IReadOnlyList<int> indices)
    {
        if (indices.Count == 0)
            throw new ArgumentOutOfRangeException(nameof(indices), "indices must name at least one image");
        foreach (var i in indices)
            if (i < 0 || i >= Count)
                throw new ArgumentOutOfRangeException(
                    nameof(indices),
                    $"index {i} is outside the data set '{Name}' of {Count} images"
                );
        using var index = torch.tensor(indices.Select(i => (long)i).ToArray());
        return new ImageDataset(
            Name,
            Images.index_select(0, index),
            Labels is null ? null : indices.Select(i => Labels[i]).ToArray(),
            Attributes.ToDictionary(a => a.Key, a => indices.Select(i => a.Value[i]).ToArray())
        );
    }

    /// <inheritdoc/>
    public void Dispose() => Images.Dispose();
}
