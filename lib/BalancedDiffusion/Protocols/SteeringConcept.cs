using BalancedDiffusion.Datasets;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Protocols;

/// <summary>A concept that a direction can stand for: which attribute shows it, and how much of it makes an image a
/// reference with it or without it.</summary>
/// <param name="Name">What to call it, e.g. <c>old</c>.</param>
/// <param name="Attribute">The attribute's name in the data set.</param>
/// <param name="With">An image shows the concept at this value or beyond it.</param>
/// <param name="Without">An image does not show it at this value or beyond it on the other side; below With where more
/// of the attribute is more of the concept, above it where it is less (CelebA's Young).</param>
public sealed record SteeringConcept(string Name, string Attribute, double With, double Without)
{
    // The faces' indices below this train networks.
    private const long RegressorFaces = 1_000_000,
        ReferenceFaces = 2_000_000;

    /// <summary>1 where more of the attribute is more of the concept, -1 where it is less.</summary>
    public int Sign => With > Without ? 1 : -1;

    /// <summary>The concepts of a data set, age first: of the rendered faces by their factors, of CelebA by its lists;
    /// none of Fashion-MNIST.</summary>
    /// <param name="source">The data set.</param>
    public static IReadOnlyList<SteeringConcept> Of(IImageSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return source switch
        {
            ParametricFaces => OfData("faces"),
            CelebA => OfData("celeba"),
            _ => [],
        };
    }

    /// <summary>The concepts of a data set by its name, before its files are opened; none where the name is not one of
    /// <see cref="ImageSources.Names"/>.</summary>
    /// <param name="data">The data set's name, e.g. <c>faces</c>.</param>
    public static IReadOnlyList<SteeringConcept> OfData(string data) =>
        data switch
        {
            "faces" =>
            [
                new("old", "Age", 0.8, 0.2),
                new("glasses", "Glasses", 0.5, 0),
                new("smile", "Smile", 0.6, -0.2),
                new("beard", "Beard", 0.5, 0),
                new("light from the right", "LightX", 0.5, -0.5),
            ],
            "celeba" =>
            [
                new("old", "Young", 0, 1),
                new("glasses", "Eyeglasses", 1, 0),
                new("smile", "Smiling", 1, 0),
                new("male", "Male", 1, 0),
            ],
            _ => [],
        };

    /// <summary>Images to choose references from. Of the endless faces such as train no network here and no regressor;
    /// of CelebA every other training image (the networks are trained on it, the regressor is not).</summary>
    /// <param name="source">The data set.</param>
    /// <param name="count">At most how many, ≥ 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">count is below 1.</exception>
    public static ImageDataset References(IImageSource source, int count) => Part(source, count, ReferenceFaces, 0);

    /// <summary>Images to train an attribute regressor on, none of which <see cref="References"/> gives.</summary>
    /// <inheritdoc cref="References"/>
    public static ImageDataset ForAttributeRegressor(IImageSource source, int count) =>
        Part(source, count, RegressorFaces, 1);

    /// <summary>The file below a data folder that holds a regressor of these concepts, trained on the images of
    /// <see cref="ForAttributeRegressor"/>.</summary>
    /// <param name="data">The data set's name, e.g. <c>faces</c>.</param>
    public static string AttributeRegressorFile(string data) => $"checkpoints/attribute-regressor-{data}.safetensors";

    /// <summary>How many images that regressor is trained on, at most.</summary>
    public const int AttributeRegressorImages = 60_000;

    /// <summary>References with the concept and without it: the first that there are.</summary>
    /// <param name="images">Images with the attribute.</param>
    /// <param name="count">How many of each, ≥ 1.</param>
    /// <returns>Two data sets, which the caller owns.</returns>
    /// <exception cref="ArgumentException">The images lack the attribute, or there are not so many with the concept or
    /// without it.</exception>
    public (ImageDataset Shown, ImageDataset NotShown) Choose(ImageDataset images, int count)
    {
        ArgumentNullException.ThrowIfNull(images);
        Guard.AtLeast(count, 1);
        if (!images.Attributes.TryGetValue(Attribute, out var values))
            throw new ArgumentException(
                $"the data set '{images.Name}' has no attribute '{Attribute}', which shows '{Name}'; it has "
                    + $"{string.Join(", ", images.Attributes.Keys)}",
                nameof(images)
            );
        int[] Where(double edge, int side) =>
            [.. Enumerable.Range(0, images.Count).Where(i => Sign * side * (values[i] - edge) >= 0).Take(count)];
        var (with, without) = (Where(With, 1), Where(Without, -1));
        if (with.Length < count || without.Length < count)
            throw new ArgumentException(
                $"of the {images.Count} images {with.Length} show '{Name}' and {without.Length} do not (at "
                    + $"least as asked), fewer than {count}; give more images or ask for fewer",
                nameof(count)
            );
        return (images.Select(with), images.Select(without));
    }

    private static ImageDataset Part(IImageSource source, int count, long firstFace, int offset)
    {
        ArgumentNullException.ThrowIfNull(source);
        Guard.AtLeast(count, 1);
        if (source is ParametricFaces faces)
            return faces.Render(firstFace, count);
        using var all = source.Train((int)Math.Min(source.TrainCapacity, 2L * count));
        return all.Select([.. Enumerable.Range(0, all.Count).Where(i => i % 2 == offset)]);
    }
}
