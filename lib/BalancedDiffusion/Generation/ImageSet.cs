using System.Text.Encodings.Web;
using System.Text.Json;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Generation;

/// <summary>
/// A folder of drawn images, <c>images.jsonl</c> beside PNGs, that a run which was killed goes on with: what is listed
/// is kept, the rest is drawn, and the set is the same as without the break. A plan says before anything is drawn
/// which prompt or class and which seed makes which file.
/// </summary>
public static class ImageSet
{
    private static readonly JsonSerializerOptions Readable = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The name of the list in the folder.</summary>
    public const string ListName = "images.jsonl";

    /// <summary>Which images to draw: <paramref name="each"/> of every condition, the seeds derived from one, so that a
    /// longer plan begins with the shorter one's images of every condition.</summary>
    /// <param name="conditions">Prompts or classes, such as <see cref="PromptList.Read"/> gives; at least one.</param>
    /// <param name="each">Images a condition, ≥ 1.</param>
    /// <param name="seed">The seed of the set.</param>
    /// <param name="network">The fingerprint of the network that will draw, see
    /// <see cref="Steering.ModelFingerprint"/>.</param>
    /// <param name="group">What the set shows, such as <c>memorized</c>: its folder; null for <c>images</c>.</param>
    /// <param name="settings">Steps and guidance in words, or null. Another setting is another set.</param>
    /// <exception cref="ArgumentException">There is no condition, or a group is no name of a folder.</exception>
    /// <exception cref="ArgumentOutOfRangeException">each is below 1.</exception>
    public static IReadOnlyList<GeneratedImage> Plan(
        IEnumerable<PromptLine> conditions,
        int each,
        long seed,
        string network,
        string? group = null,
        string? settings = null
    )
    {
        ArgumentNullException.ThrowIfNull(conditions);
        ArgumentException.ThrowIfNullOrWhiteSpace(network);
        Guard.AtLeast(each, 1);
        var lines = conditions.ToList();
        if (lines.Count == 0)
            throw new ArgumentException(
                "conditions must hold at least one prompt or class, was empty",
                nameof(conditions)
            );
        if (
            group is not null
            && (group.Length == 0 || group.Any(c => !char.IsLetterOrDigit(c) && c is not ('-' or '_')))
        )
            throw new ArgumentException(
                "group must be letters, digits, hyphens and underscores, since it names a folder, was "
                    + $"{Listing.Quoted(group)}",
                nameof(group)
            );
        return
        [
            .. lines.SelectMany(
                (condition, i) =>
                    Enumerable
                        .Range(0, each)
                        .Select(j => new GeneratedImage(
                            $"{group ?? "images"}/{i:00000}-{j:000}.png",
                            Seeds.Derive(Seeds.Derive(seed, i), j),
                            network
                        )
                        {
                            Prompt = condition.Text,
                            Class = condition.Class,
                            Group = group,
                            Settings = settings,
                        })
            ),
        ];
    }

    /// <summary>Draws what is missing of a plan, and lists each image once its file is whole.</summary>
    /// <param name="folder">The folder; made where it lacks.</param>
    /// <param name="plan">The images, see <see cref="Plan"/>.</param>
    /// <param name="draw">Draws some of them, in their order: images (count, 1 or 3, height, width), of which [-1, 1]
    /// is drawn black to white. It must make the same image of the same line whatever stands beside it, see
    /// <c>PretrainedProtocol.Draw</c>.</param>
    /// <param name="batch">How many at once, ≥ 1.</param>
    /// <param name="progress">Receives how many images of the plan there are, or null.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <returns>How many were drawn now; 0 where all were there.</returns>
    /// <exception cref="ArgumentException">The plan is empty, or names a file that holds another image; nothing is
    /// drawn.</exception>
    /// <exception cref="InvalidOperationException">What was drawn has another shape or is not finite.</exception>
    /// <exception cref="IOException">Another run is drawing into this folder, or it cannot be written.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; what is listed stays.</exception>
    public static int Draw(
        string folder,
        IReadOnlyList<GeneratedImage> plan,
        Func<IReadOnlyList<GeneratedImage>, torch.Tensor> draw,
        int batch = 8,
        IProgress<int>? progress = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(draw);
        Guard.AtLeast(batch, 1);
        if (plan.Count == 0)
            throw new ArgumentException("plan must hold at least one image, was empty", nameof(plan));
        using var list = GenerationManifest.Open(Path.Combine(folder, ListName));
        var missing = list.Missing(plan).ToList();
        var taken = list.Images.Select(image => image.File).ToHashSet();
        foreach (var image in missing)
            if (!taken.Add(image.File))
                throw new ArgumentException(
                    $"'{image.File}' holds another image already (of another network, seed or setting, or it "
                        + "stands twice in the plan); draw into another folder",
                    nameof(plan)
                );
        progress?.Report(plan.Count - missing.Count);
        for (var offset = 0; offset < missing.Count; offset += batch)
        {
            cancellation.ThrowIfCancellationRequested();
            SafePoint.Pass();
            var part = missing[offset..Math.Min(offset + batch, missing.Count)];
            using var scope = torch.NewDisposeScope();
            var images = draw(part);
            if (images.dim() != 4 || images.shape[0] != part.Count || images.shape[1] is not (1 or 3))
                throw new InvalidOperationException(
                    $"{part.Count} images of shape (1 or 3, height, width) were to be drawn, got "
                        + $"{Listing.Shape(images.shape)}"
                );
            if (!Guard.AllFinite(images))
                throw new InvalidOperationException(
                    $"the images from '{part[0].File}' on hold NaN or infinity; check the network's weights "
                        + "and the guidance"
                );
            for (var i = 0; i < part.Count; i++)
            {
                using var file = new AtomicFile(Path.Combine(folder, part[i].File));
                File.WriteAllBytes(file.Temporary, Png(images[i]));
                file.Commit();
                list.Append(part[i]);
            }
            progress?.Report(plan.Count - missing.Count + offset + part.Count);
        }
        return missing.Count;
    }

    /// <summary>Reads images of a set back, in the order asked for.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="images">Which; null for all that are listed.</param>
    /// <returns>(images, 3, height, width), float32, in [-1, 1] in 256 steps; grey ones have three equal channels. The
    /// caller owns them.</returns>
    /// <exception cref="FileNotFoundException">There is no list, or an image is gone.</exception>
    /// <exception cref="InvalidDataException">The list or an image is damaged, or their sizes differ.</exception>
    public static torch.Tensor Read(string folder, IReadOnlyList<GeneratedImage>? images = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        images ??= GenerationManifest.Read(Path.Combine(folder, ListName));
        return ReadFiles([.. images.Select(image => Path.Combine(folder, image.File))]);
    }

    /// <summary>Writes a list of the form that the authors' code reads, <c>{"url": …, "prompt": …}</c> a line,
    /// whole or not at all. It goes beside the folder, and its paths begin with the folder's name.</summary>
    /// <param name="folder">The folder of the set.</param>
    /// <param name="path">The list to write, in the folder that holds the set's.</param>
    /// <exception cref="FileNotFoundException">The folder has no list of its own.</exception>
    public static void WriteAuthorsList(string folder, string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var name = Path.GetRelativePath(Path.GetDirectoryName(Path.GetFullPath(path))!, folder).Replace('\\', '/');
        var lines = GenerationManifest
            .Read(Path.Combine(folder, ListName))
            .Select(image =>
                JsonSerializer.Serialize(new { url = $"{name}/{image.File}", prompt = image.Prompt ?? "" }, Readable)
            );
        using var file = new AtomicFile(path);
        File.WriteAllLines(file.Temporary, lines);
        file.Commit();
    }

    /// <summary>The image files that a list names as the authors' code does. Their paths are relative to the folder
    /// that code ran in, so each is looked for beside the list and in the folders above it.</summary>
    /// <param name="list">The list; <see cref="PromptList.Read"/> reads its prompts.</param>
    /// <returns>Absolute paths, one a line.</returns>
    /// <exception cref="FileNotFoundException">There is no such list, or an image that it names is not
    /// there.</exception>
    /// <exception cref="InvalidDataException">A line cannot be read or names no image.</exception>
    public static IReadOnlyList<string> FilesOf(string list)
    {
        var lines = PromptList.Read(list);
        return
        [
            .. lines.Select(
                (line, i) =>
                {
                    var url =
                        line.Url
                        ?? throw new InvalidDataException(
                            $"line {i + 1} of '{Path.GetFileName(list)}' names no image; each line must have a url"
                        );
                    for (var folder = new FileInfo(list).Directory; folder is not null; folder = folder.Parent)
                        if (File.Exists(Path.Combine(folder.FullName, url)))
                            return Path.Combine(folder.FullName, url);
                    throw new FileNotFoundException(
                        $"the image {Listing.Quoted(url)} of '{Path.GetFileName(list)}' is neither beside the "
                            + "list nor in a folder above it; copy the images with their list",
                        url
                    );
                }
            ),
        ];
    }

    /// <summary>Reads PNG or JPEG files of one size.</summary>
    /// <param name="files">At least one.</param>
    /// <returns>(files, 3, height, width), float32, in [-1, 1]. The caller owns them.</returns>
    /// <exception cref="FileNotFoundException">One is not there.</exception>
    /// <exception cref="InvalidDataException">One is no image or damaged, or their sizes differ.</exception>
    public static torch.Tensor ReadFiles(params IReadOnlyList<string> files)
    {
        ArgumentNullException.ThrowIfNull(files);
        if (files.Count == 0)
            throw new ArgumentException("files must name at least one image, was empty", nameof(files));
        using var scope = torch.NewDisposeScope();
        var read = files
            .Select(file =>
            {
                if (!File.Exists(file))
                    throw new FileNotFoundException(
                        $"there is no image '{Path.GetFileName(file)}' in its folder; draw or copy it again",
                        file
                    );
                var (rgb, width, height) = PictureFile.Read(file, "draw or copy it again");
                return (
                    File: file,
                    Tensor: torch
                        .tensor(rgb, [height, width, 3])
                        .permute(2, 0, 1)
                        .to_type(torch.float32)
                        .div_(127.5)
                        .sub_(1)
                );
            })
            .ToList();
        if (read.FirstOrDefault(r => !r.Tensor.shape.SequenceEqual(read[0].Tensor.shape)) is { File: { } odd } other)
            throw new InvalidDataException(
                $"'{Path.GetFileName(odd)}' has {other.Tensor.shape[2]}×{other.Tensor.shape[1]} pixels and "
                    + $"'{Path.GetFileName(read[0].File)}' {read[0].Tensor.shape[2]}×{read[0].Tensor.shape[1]}; "
                    + "give images of one size"
            );
        return torch.stack(read.Select(r => r.Tensor), 0).MoveToOuterDisposeScope();
    }

    private static byte[] Png(torch.Tensor image)
    {
        var bytes = image
            .detach()
            .cpu()
            .to_type(torch.float32)
            .add(1)
            .mul_(127.5)
            .round_()
            .clamp_(0, 255)
            .expand(3, -1, -1)
            .permute(1, 2, 0)
            .to_type(torch.uint8)
            .contiguous();
        return PngEncoder.Encode(bytes.data<byte>().ToArray(), (int)image.shape[2], (int)image.shape[1]);
    }
}
