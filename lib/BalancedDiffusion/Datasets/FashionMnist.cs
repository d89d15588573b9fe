using TorchSharp;

namespace BalancedDiffusion.Datasets;

/// <summary>
/// Fashion-MNIST: 60,000 grey training pictures of clothing and 10,000 for testing, 28×28, in ten classes (Xiao, Rasul
/// and Vollgraf 2017, MIT licence). Images are (n, 1, size, size), labels are 0 to 9. The files are read when first
/// needed.
/// </summary>
public sealed class FashionMnist : IImageSource
{
    private const int Native = 28;
    private readonly Lazy<(IdxArray Images, int[] Labels)> train,
        test;
    private readonly int size;

    private FashionMnist(int size, DataSearch folders)
    {
        this.size = size;
        var paths = DataManifest
            .Load()["fashion-mnist"]
            .Files.Select(file => folders.Find(file) ?? throw folders.Missing(file.Path, "fashion-mnist"))
            .ToArray();
        TrainCapacity = Capacity(paths[0]);
        TestCapacity = Capacity(paths[2]);
        train = new(() => Load(paths[0], paths[1]));
        test = new(() => Load(paths[2], paths[3]));
        Files = paths;
    }

    /// <summary>What the labels 0 to 9 mean.</summary>
    public static IReadOnlyList<string> ClassNames { get; } =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

    /// <summary>Finds the four files, packed or not, in a folder <c>fashion-mnist</c> of a data folder or in a data
    /// folder itself.</summary>
    /// <param name="size">28 as published, or 32 with a black (-1) margin of two pixels.</param>
    /// <param name="folders">Where to look; <see cref="DataFolders.Current"/> by default.</param>
    /// <exception cref="MissingDataException">A file is missing; the message says where was looked.</exception>
    /// <exception cref="InvalidDataException">A file is damaged or not what its name says.</exception>
    public static FashionMnist Open(int size = Native, DataSearch? folders = null)
    {
        if (size is not (Native or 32))
            throw new ArgumentOutOfRangeException(
                nameof(size),
                $"size must be 28 (as published) or 32 (with a black margin), was {size}"
            );
        return new FashionMnist(size, folders ?? DataFolders.Current);
    }

    /// <inheritdoc/>
    public string Name => "fashion-mnist";

    /// <inheritdoc/>
    public int TrainCapacity { get; }

    /// <inheritdoc/>
    public int TestCapacity { get; }

    /// <inheritdoc/>
    public bool MayBePublished => true;

    /// <summary>The files it is read from.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <inheritdoc/>
    public ImageDataset Train(int count) => Take(train, count, TrainCapacity, "training");

    /// <inheritdoc/>
    public ImageDataset Test(int count) => Take(test, count, TestCapacity, "test");

    private ImageDataset Take(Lazy<(IdxArray Images, int[] Labels)> part, int count, int capacity, string what)
    {
        if (count < 1 || count > capacity)
            throw new ArgumentOutOfRangeException(
                nameof(count),
                $"count must be 1 to {capacity}, the number of {what} images of fashion-mnist, was {count}"
            );
        var (images, labels) = part.Value;
        var margin = (size - Native) / 2;
        var values = new float[count * size * size];
        if (margin > 0)
            Array.Fill(values, PixelScale.Black);
        for (int n = 0, from = 0; n < count; n++)
        for (var y = 0; y < Native; y++)
        {
            var to = (n * size + y + margin) * size + margin;
            for (var x = 0; x < Native; x++)
                values[to++] = PixelScale.Of(images.Data[from++]);
        }
        return new ImageDataset(Name, torch.tensor(values, [count, 1, size, size]), labels[..count]);
    }

    private static int Capacity(string path)
    {
        var dims = IdxReader.ReadDims(path, 3);
        if (dims[1] != Native || dims[2] != Native)
            throw new InvalidDataException(
                $"'{path}' holds images of {dims[1]} × {dims[2]} pixels, expected 28 × 28; it is not Fashion-MNIST"
            );
        return dims[0];
    }

    private static (IdxArray, int[]) Load(string imageFile, string labelFile)
    {
        var images = IdxReader.Read(imageFile, 3);
        var labels = IdxReader.Read(labelFile, 1);
        if (labels.Dims[0] != images.Dims[0])
            throw new InvalidDataException(
                $"'{labelFile}' holds {labels.Dims[0]} labels for the {images.Dims[0]} images of "
                    + $"'{imageFile}'; fetch both again"
            );
        var wrong = Array.FindIndex(labels.Data, label => label > 9);
        if (wrong >= 0)
            throw new InvalidDataException(
                $"'{labelFile}' gives image {wrong} the label {labels.Data[wrong]}, expected 0 to 9; "
                    + "fetch it again"
            );
        return (images, Array.ConvertAll(labels.Data, label => (int)label));
    }
}
