using System.Runtime.ExceptionServices;
using System.Text;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Datasets;

/// <summary>
/// CelebA (Liu, Luo, Wang and Tang 2015; for non-commercial research, not to be passed on), with the paper's
/// preprocessing: the whole image resized to 32×32 by Pillow's bilinear filter, then, for grey, ITU-R 601 luma. Images
/// are (n, 1 or 3, 32, 32) in the order of the data set; index 0 is 000001.jpg. Attributes are CelebA's forty, 0 or 1.
/// The last tenth is for testing: of 10,000 images, indices 0–8,999 are the training part and 9,000–9,999 the test
/// part.
/// </summary>
public sealed class CelebA : IImageSource
{
    private const int Size = 32;
    private const int RawWidth = 178,
        RawHeight = 218;
    private const int Standard = 10_000;
    private const string WhatToDo =
        "see 'CelebA' in data/README.md (its agreement forbids passing it on, so it cannot be fetched for you)";
    private readonly Func<int[], byte[][]> pixels;
    private readonly CelebAAttributes attributes;

    private CelebA(string origin, int capacity, bool rgb, CelebAAttributes attributes, Func<int[], byte[][]> pixels)
    {
        Origin = origin;
        Capacity = capacity;
        Rgb = rgb;
        this.attributes = attributes;
        this.pixels = pixels;
    }

    /// <summary>The images that the authors' memorizing autoencoder was trained on (the paper, Section 4).</summary>
    public static readonly int[] AuthorsMemorizedIndices = [0, 36, 148, 195, 232];

    /// <inheritdoc/>
    public string Name => "celeba";

    /// <summary>The file or folder that the images are read from.</summary>
    public string Origin { get; }

    /// <summary>Whether images have three channels; one (grey) otherwise.</summary>
    public bool Rgb { get; }

    /// <summary>All images there are, training and test part together.</summary>
    public int Capacity { get; }

    /// <inheritdoc/>
    public int TrainCapacity => Capacity - TestCapacity;

    /// <inheritdoc/>
    public int TestCapacity => Capacity / 10;

    /// <inheritdoc/>
    public bool MayBePublished => false;

    /// <summary>The names of the attributes, in CelebA's order.</summary>
    public IReadOnlyList<string> AttributeNames => attributes.Names;

    /// <summary>Opens the prepared file of 10,000 images where it is found, else the first 10,000 images of the
    /// official folder.</summary>
    /// <param name="rgb">Three channels instead of grey.</param>
    /// <param name="folders">Where to look; <see cref="DataFolders.Current"/> by default.</param>
    /// <exception cref="FileNotFoundException">Neither is found; the message says where was looked and what to
    /// do.</exception>
    /// <exception cref="InvalidDataException">What was found is damaged.</exception>
    public static CelebA Open(bool rgb = false, DataSearch? folders = null)
    {
        folders ??= DataFolders.Current;
        var manifest = DataManifest.Load();
        if (folders.Find(manifest["celeba-32"].Files[0]) is { } prepared)
            return OpenPrepared(prepared, rgb);
        if (folders.Find(manifest["celeba"].Files[0]) is { } first)
            return OpenOfficial(Path.GetDirectoryName(Path.GetDirectoryName(first))!, Standard, rgb);
        throw folders.Missing(manifest["celeba-32"].Files[0].Path, null, WhatToDo);
    }

    /// <summary>Opens a file that <see cref="Prepare"/> wrote; its table of attributes must lie beside it.</summary>
    /// <param name="file">An idx file (n, 32, 32, 3), packed or not.</param>
    /// <param name="rgb">Three channels instead of grey.</param>
    /// <exception cref="FileNotFoundException">The file or its table is missing.</exception>
    /// <exception cref="InvalidDataException">The file is damaged, has other dimensions, or the table does not fit
    /// it.</exception>
    public static CelebA OpenPrepared(string file, bool rgb = false)
    {
        var array = IdxReader.Read(file, 4);
        if (array.Dims[1] != Size || array.Dims[2] != Size || array.Dims[3] != 3)
            throw new InvalidDataException(
                $"'{file}' holds images of {string.Join(" × ", array.Dims.Skip(1))}, expected 32 × 32 × 3"
            );
        var name = Path.GetFileName(file);
        var cut = name.IndexOf("-32x32-", StringComparison.Ordinal);
        var table = Path.Combine(
            Path.GetDirectoryName(Path.GetFullPath(file))!,
            (cut < 0 ? name : name[..cut]) + "-attributes.csv"
        );
        if (!File.Exists(table))
            throw new FileNotFoundException(
                $"the table of attributes '{table}' does not lie beside '{file}'; copy it there, or prepare "
                    + "both again with CelebA.Prepare",
                table
            );
        var attributes = CelebAAttributes.Read(table, array.Dims[0]);
        if (attributes.Count < array.Dims[0])
            throw new InvalidDataException(
                $"'{table}' has rows for {attributes.Count} images, '{file}' holds {array.Dims[0]}; prepare both again"
            );
        const int length = Size * Size * 3;
        return new CelebA(
            file,
            array.Dims[0],
            rgb,
            attributes,
            indices => Array.ConvertAll(indices, i => array.Data[(i * length)..((i + 1) * length)])
        );
    }

    /// <summary>Opens the official folder; images are decoded when first asked for and then kept.</summary>
    /// <param name="folder">The folder that holds <c>img_align_celeba</c> and <c>list_attr_celeba.txt</c>.</param>
    /// <param name="count">Use the first so many images; fewer where the list of attributes ends before.</param>
    /// <param name="rgb">Three channels instead of grey.</param>
    /// <exception cref="FileNotFoundException">The folder, the list or an image is missing.</exception>
    /// <exception cref="InvalidDataException">The list or an image is damaged, or the images are not the aligned
    /// ones.</exception>
    public static CelebA OpenOfficial(string folder, int count = Standard, bool rgb = false)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        Guard.AtLeast(count, 1);
        var images = Path.Combine(folder, "img_align_celeba");
        if (!Directory.Exists(images))
            throw new FileNotFoundException(
                $"there is no folder '{images}'; unpack img_align_celeba.zip in '{folder}'",
                images
            );
        var list =
            new[] { "list_attr_celeba.txt", "list_attr_celeba.csv" }
                .Select(f => Path.Combine(folder, f))
                .FirstOrDefault(File.Exists)
            ?? throw new FileNotFoundException(
                $"there is no list_attr_celeba.txt in '{folder}'; it is part of CelebA's annotations",
                Path.Combine(folder, "list_attr_celeba.txt")
            );
        var attributes = CelebAAttributes.Read(list, count);
        if (attributes.Count == 0)
            throw new InvalidDataException($"'{list}' lists no images; fetch it again");
        var kept = new byte[]?[attributes.Count];
        byte[][] Decode(int[] indices)
        {
            try
            {
                Parallel.ForEach(indices, i => kept[i] ??= Resize(Path.Combine(images, CelebAAttributes.FileName(i))));
            }
            catch (AggregateException e)
            {
                ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
            }
            return Array.ConvertAll(indices, i => kept[i]!);
        }
        return new CelebA(folder, attributes.Count, rgb, attributes, Decode);
    }

    /// <summary>Writes the first images of the official folder as one idx file and their attributes as a table, as
    /// <see cref="Open"/> finds them.</summary>
    /// <param name="officialFolder">The folder that holds <c>img_align_celeba</c> and
    /// <c>list_attr_celeba.txt</c>.</param>
    /// <param name="target">The folder to write to, such as <c>celeba</c> in a data folder; made where it is
    /// missing.</param>
    /// <param name="count">How many images; 10,000 for the notebooks.</param>
    /// <returns>The idx file.</returns>
    /// <exception cref="ArgumentOutOfRangeException">count is below 1 or above the number of images.</exception>
    /// <exception cref="IOException">One of the files exists already (neither is touched), or cannot be
    /// written.</exception>
    public static string Prepare(string officialFolder, string target, int count = Standard)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(target);
        var source = OpenOfficial(officialFolder, count, rgb: true);
        if (source.Capacity < count)
            throw new ArgumentOutOfRangeException(
                nameof(count),
                $"count must be at most {source.Capacity}, the number of images that '{officialFolder}' "
                    + $"lists, was {count}"
            );
        var file = Path.Combine(target, $"{PreparedName(count)}.gz");
        var table = Path.Combine(target, $"{Stem(count)}-attributes.csv");
        foreach (var existing in new[] { file, table })
            if (Path.Exists(existing))
                throw new IOException(
                    $"'{existing}' exists already and is left as it is; delete it or choose another folder"
                );
        var images = source.pixels([.. Enumerable.Range(0, count)]);
        using (var fresh = new AtomicFile(table))
        {
            File.WriteAllText(fresh.Temporary, source.attributes.ToTable(count), new UTF8Encoding(false));
            fresh.Commit();
        }
        IdxWriter.Write(file, [count, Size, Size, 3], images.SelectMany(image => image).ToArray());
        return file;
    }

    /// <inheritdoc/>
    public ImageDataset Train(int count) => Take(0, count, TrainCapacity, "training ");

    /// <inheritdoc/>
    public ImageDataset Test(int count) => Take(TrainCapacity, count, TestCapacity, "test ");

    /// <summary>The first images of the data set, across the training and the test part; the same on every
    /// call.</summary>
    /// <exception cref="ArgumentOutOfRangeException">count is below 1 or above <see cref="Capacity"/>.</exception>
    public ImageDataset All(int count) => Take(0, count, Capacity, "");

    /// <summary>The images at these indices of the data set (0 is 000001.jpg), in this order.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An index is outside 0 … <see cref="Capacity"/> - 1, or none was
    /// given.</exception>
    public ImageDataset At(params int[] indices)
    {
        ArgumentNullException.ThrowIfNull(indices);
        if (indices.Length == 0)
            throw new ArgumentOutOfRangeException(nameof(indices), "indices must name at least one image");
        foreach (var i in indices)
            if (i < 0 || i >= Capacity)
                throw new ArgumentOutOfRangeException(
                    nameof(indices),
                    $"an index must be 0 to {Capacity - 1}, as '{Origin}' holds {Capacity} images, was {i}"
                );
        var images = pixels(indices);
        if (!Rgb)
            images = Array.ConvertAll(images, image => PilImaging.Luma(image));
        var values = new Dictionary<string, float[]>();
        for (var a = 0; a < attributes.Names.Count; a++)
            values[attributes.Names[a]] = Array.ConvertAll(indices, i => (float)attributes[i, a]);
        return new ImageDataset(Name, PixelScale.Tensor(images, Rgb ? 3 : 1, Size), attributes: values);
    }

    private ImageDataset Take(int first, int count, int capacity, string what)
    {
        if (count < 1 || count > capacity)
            throw new ArgumentOutOfRangeException(
                nameof(count),
                $"count must be 1 to {capacity}, the number of {what}images in '{Origin}', was {count}"
            );
        return At([.. Enumerable.Range(first, count)]);
    }

    private static byte[] Resize(string path)
    {
        if (!File.Exists(path))
            throw new FileNotFoundException($"the image '{path}' is missing; unpack img_align_celeba.zip again", path);
        var (rgb, width, height) = PictureFile.Read(path, "unpack it again");
        if (width != RawWidth || height != RawHeight)
            throw new InvalidDataException(
                $"'{path}' is {width} × {height}, expected {RawWidth} × {RawHeight}; use the aligned and "
                    + "cropped images (img_align_celeba)"
            );
        return PilImaging.ResizeBilinear(rgb, width, height, 3, Size, Size);
    }

    private static string Stem(int count) => $"celeba-{(count % 1000 == 0 ? $"{count / 1000}k" : count)}";

    private static string PreparedName(int count) => $"{Stem(count)}-32x32-rgb-idx4-ubyte";
}
