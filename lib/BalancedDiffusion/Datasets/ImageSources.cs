namespace BalancedDiffusion.Datasets;

/// <summary>Opens the data sets of images by name.</summary>
public static class ImageSources
{
    /// <summary>The names there are.</summary>
    public static IReadOnlyList<string> Names { get; } = ["faces", "fashion-mnist", "celeba"];

    /// <summary>Opens a data set; all but Fashion-MNIST (28×28) have 32×32 pixels unless a size is asked for.
    /// Grey.</summary>
    /// <param name="name"><c>faces</c> (drawn, needs no files), <c>fashion-mnist</c> or <c>celeba</c>; capitals do not
    /// matter.</param>
    /// <param name="size">Pixels a side: any the faces can be drawn at, 28 or 32 for Fashion-MNIST, 32 for CelebA; null
    /// for the data set's own.</param>
    /// <param name="seed">The seed of the drawn faces; the others do not use it.</param>
    /// <exception cref="ArgumentException">There is no such name or no such size; the message lists those there
    /// are.</exception>
    /// <exception cref="MissingDataException">Its files are missing.</exception>
    public static IImageSource Open(string name, int? size = null, long seed = 0)
    {
        ArgumentNullException.ThrowIfNull(name);
        switch (name.Trim().ToLowerInvariant())
        {
            case "faces":
                return new ParametricFaces(size: size ?? 32, seed: seed);
            case "fashion-mnist":
                return FashionMnist.Open(size ?? 28);
            case "celeba":
                if (size is not (null or 32))
                    throw new ArgumentOutOfRangeException(nameof(size), $"size must be 32 for celeba, was {size}");
                return CelebA.Open();
            default:
                throw new ArgumentException(
                    $"there is no image data set named '{name}'; known are {string.Join(", ", Names)}",
                    nameof(name)
                );
        }
    }
}
