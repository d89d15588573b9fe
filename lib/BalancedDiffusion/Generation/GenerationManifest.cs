using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Generation;

/// <summary>
/// The list of a set of images that is being drawn, a jsonl with one line an image. A run that was killed goes on where
/// it was: each line is written at once and only when its image is there, and a last line that was cut off is dropped
/// when the list is opened again.
/// </summary>
public sealed class GenerationManifest : IDisposable
{
    private static readonly JsonSerializerOptions Format = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    private readonly FileStream file;
    private readonly List<GeneratedImage> images = [];
    private readonly HashSet<object> keys = [];
    private readonly HashSet<string> files = new(StringComparer.Ordinal);

    private GenerationManifest(string path, FileStream file) => (Path, this.file) = (path, file);

    /// <summary>The list, as an absolute path; images lie in its folder or below.</summary>
    public string Path { get; }

    /// <summary>The images there are, in the order they were drawn.</summary>
    public IReadOnlyList<GeneratedImage> Images => images;

    /// <summary>How many bytes of a line that was cut off were dropped on opening; zero where all was well.</summary>
    public int Dropped { get; private set; }

    /// <summary>Opens a list to go on with, or begins one. Nobody else can write it while it is open.</summary>
    /// <param name="path">The list; its folder is made where it lacks.</param>
    /// <exception cref="InvalidDataException">Lines other than a last one that was cut off cannot be read; the message
    /// names them by number, eight at most, and nothing is changed.</exception>
    /// <exception cref="IOException">It is being written by another run, or cannot be written.</exception>
    public static GenerationManifest Open(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var full = System.IO.Path.GetFullPath(path);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(full)!);
        FileStream file;
        try
        {
            file = new FileStream(full, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException(
                $"the list '{path}' cannot be written ({e.Message.TrimEnd('.')}); see that no other run is "
                    + "drawing the same images",
                e
            );
        }
        var manifest = new GenerationManifest(full, file);
        try
        {
            manifest.ReadLines();
            return manifest;
        }
        catch
        {
            manifest.Dispose();
            throw;
        }
    }

    /// <summary>Reads a list without opening it for writing.</summary>
    /// <param name="path">The list.</param>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    /// <exception cref="InvalidDataException">As for <see cref="Open"/>; a last line that was cut off is passed
    /// over.</exception>
    public static IReadOnlyList<GeneratedImage> Read(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (!File.Exists(path))
            throw new FileNotFoundException($"there is no list of images at '{path}'; check the path", path);
        return Parse(System.IO.Path.GetFileName(path), File.ReadAllBytes(path)).Images;
    }

    /// <summary>Whether an image is listed already: one from the same prompt or class, group, settings and seed, by the
    /// same network.</summary>
    public bool Contains(GeneratedImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        return keys.Contains(image.Key);
    }

    /// <summary>The images of a plan that are still to be drawn, in its order; those that come twice, once.</summary>
    public IEnumerable<GeneratedImage> Missing(IEnumerable<GeneratedImage> plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return plan.DistinctBy(image => image.Key).Where(image => !Contains(image));
    }

    /// <summary>Lists an image whose file has been written.</summary>
    /// <param name="image">The image.</param>
    /// <returns>Whether it was added; false where it is listed already.</returns>
    /// <exception cref="ArgumentException">Its path leaves the folder, its file is not there, or another image has
    /// it.</exception>
    /// <exception cref="IOException">The line could not be written; the list stays as it was.</exception>
    public bool Append(GeneratedImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        if (Contains(image))
            return false;
        if (DataSearch.IsUnsafe(image.File) || image.File.Contains('\\'))
            throw new ArgumentException(
                $"an image must lie in the list's folder or below, with forward slashes, was '{image.File}'",
                nameof(image)
            );
        if (files.Contains(image.File))
            throw new ArgumentException(
                $"'{image.File}' is the file of another image; give each its own",
                nameof(image)
            );
        if (!File.Exists(System.IO.Path.Combine(System.IO.Path.GetDirectoryName(Path)!, image.File)))
            throw new ArgumentException(
                $"'{image.File}' is not there; write the image first and list it then",
                nameof(image)
            );
        byte[] line = [.. JsonSerializer.SerializeToUtf8Bytes(image, Format), (byte)'\n'];
        var end = file.Length;
        try
        {
            file.Position = end;
            file.Write(line);
            file.Flush(flushToDisk: true);
        }
        catch (IOException)
        {
            file.SetLength(end);
            throw;
        }
        Add(image);
        return true;
    }

    /// <summary>Closes the list.</summary>
    public void Dispose() => file.Dispose();

    private void ReadLines()
    {
        var bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        var (read, end) = Parse(System.IO.Path.GetFileName(Path), bytes);
        foreach (var image in read)
            Add(image);
        Dropped = bytes.Length - end;
        file.SetLength(end);
    }

    private void Add(GeneratedImage image)
    {
        if (!keys.Add(image.Key))
            return;
        files.Add(image.File);
        images.Add(image);
    }

    /// <summary>The images, and where the last whole line ends. A line is whole when a line feed ends it.</summary>
    private static (List<GeneratedImage> Images, int End) Parse(string name, byte[] bytes)
    {
        var (images, bad) = (new List<GeneratedImage>(), new List<string>());
        var (start, number) = (0, 0);
        for (int length; (length = bytes.AsSpan(start).IndexOf((byte)'\n')) >= 0; start += length + 1)
        {
            number++;
            var line = bytes.AsSpan(start, length).Trim((byte)' ').TrimEnd((byte)'\r');
            if (line.IsEmpty)
                continue;
            if (Image(line) is { } image)
                images.Add(image);
            else
                bad.Add(
                    $"line {number} ({Listing.Quoted(Encoding.UTF8.GetString(line[..Math.Min(line.Length, 40)]))})"
                );
        }
        if (bad.Count > 0)
            throw new InvalidDataException(
                $"the list of images '{name}' cannot be read: {Listing.Some(bad)}; each line must be an "
                    + "object with file, seed and network, so fix the lines or move the list away"
            );
        return (images, start);
    }

    private static GeneratedImage? Image(ReadOnlySpan<byte> line)
    {
        try
        {
            return
                JsonSerializer.Deserialize<GeneratedImage>(line, Format)
                    is { File.Length: > 0, Network.Length: > 0 } image
                ? image
                : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }
}
