using System.Text.Json;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Checkpoints;

/// <summary>
/// A folder of Stable Diffusion v1 as diffusers writes it: <c>model_index.json</c> and the parts <c>unet</c>,
/// <c>vae</c>, <c>text_encoder</c>, <c>tokenizer</c> and <c>scheduler</c>. It reads the configs and chooses the files
/// of the weights; it opens none of them and builds no network.
/// </summary>
public sealed class DiffusersFolder
{
    private const long ConfigLimit = 1 << 20;
    private const int ClipLength = 77;
    private const string Expected = "the diffusers folder of Stable Diffusion v1 is read here";

    private DiffusersFolder(string path, bool preferHalf)
    {
        Path = path;
        UNet = Part("unet", "diffusion_pytorch_model", "diffusion_pytorch_model", preferHalf);
        Vae = Part("vae", "diffusion_pytorch_model", "diffusion_pytorch_model", preferHalf);
        TextEncoder = Part("text_encoder", "model", "pytorch_model", preferHalf);
        VocabularyPath = Required("tokenizer", "vocab.json");
        MergesPath = Required("tokenizer", "merges.txt");
        TokenLength = LengthOf(System.IO.Path.Combine(Path, "tokenizer", "tokenizer_config.json"));
        Scheduler = Config(Required("scheduler", "scheduler_config.json"));
        CheckVersion();
    }

    /// <summary>The folder, as an absolute path.</summary>
    public string Path { get; }

    /// <summary>The conditional U-Net.</summary>
    public DiffusersPart UNet { get; }

    /// <summary>The autoencoder.</summary>
    public DiffusersPart Vae { get; }

    /// <summary>CLIP's text encoder.</summary>
    public DiffusersPart TextEncoder { get; }

    /// <summary>The tokenizer's <c>vocab.json</c>, as an absolute path.</summary>
    public string VocabularyPath { get; }

    /// <summary>The tokenizer's <c>merges.txt</c>, as an absolute path.</summary>
    public string MergesPath { get; }

    /// <summary>The length of a text in tokens, ≥ 2: <c>model_max_length</c> of the tokenizer's config where it is
    /// there and says one, else CLIP's 77.</summary>
    public int TokenLength { get; }

    /// <summary>The scheduler's config, an object.</summary>
    public JsonElement Scheduler { get; }

    /// <summary>The three networks.</summary>
    public IReadOnlyList<DiffusersPart> Parts => [UNet, Vae, TextEncoder];

    /// <summary>Recognizes a folder and reads its configs.</summary>
    /// <param name="path">The folder that holds <c>model_index.json</c>.</param>
    /// <param name="preferHalf">Whether to take a part's fp16 files where both kinds are there (for a GPU); else the
    /// full ones are taken. Safetensors come before pickles in either case.</param>
    /// <exception cref="InvalidDataException">It is something else (a file, an empty folder, one part, a DiT, another
    /// version), lacks a part, or a config is damaged; one sentence says which and what to do.</exception>
    public static DiffusersFolder Open(string path, bool preferHalf = false)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var full = System.IO.Path.GetFullPath(path);
        var name = System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(full));
        if (File.Exists(full))
            throw new InvalidDataException(SingleFile(name));
        if (!Directory.Exists(full))
            throw new InvalidDataException($"there is no folder '{path}'; check the path");
        var index = System.IO.Path.Combine(full, "model_index.json");
        if (!File.Exists(index))
            throw new InvalidDataException(WithoutIndex(full, name));
        var pipeline =
            Config(index).TryGetProperty("_class_name", out var value) && value.ValueKind == JsonValueKind.String
                ? value.GetString()!
                : "nothing";
        if (pipeline.StartsWith("DiT", StringComparison.Ordinal))
            throw new InvalidDataException(
                $"the folder '{name}' holds a DiT, not Stable Diffusion; read the published .pt with DitCheckpoint"
            );
        if (pipeline != "StableDiffusionPipeline")
            throw new InvalidDataException(
                $"the folder '{name}' holds a {Listing.Printable(pipeline)}, and only StableDiffusionPipeline "
                    + "of version 1 is read here"
            );
        return new DiffusersFolder(full, preferHalf);
    }

    private string Name => System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(Path));

    private DiffusersPart Part(string part, string safetensors, string pickle, bool preferHalf)
    {
        var config = Config(Required(part, "config.json"));
        string[] variants = preferHalf ? [".fp16", ""] : ["", ".fp16"];
        var candidates = variants
            .SelectMany(v => Spellings(safetensors, v, "safetensors"))
            .Concat(variants.SelectMany(v => Spellings(pickle, v, "bin")));
        var folder = System.IO.Path.Combine(Path, part);
        if (candidates.Select(c => System.IO.Path.Combine(folder, c)).FirstOrDefault(File.Exists) is { } weights)
            return new DiffusersPart(part, config, weights);
        var others = Directory
            .EnumerateFiles(folder)
            .Select(f => System.IO.Path.GetFileName(f)!)
            .Where(f => !f.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
            .Order()
            .ToList();
        throw new InvalidDataException(
            $"the part '{part}' of '{Name}' has no weights that are read here ({safetensors}.safetensors or "
                + $"{pickle}.bin); "
                + $"{(others.Count == 0 ? "fetch them" : $"it has {Listing.Of(others)}, so fetch the PyTorch ones")}"
        );
    }

    private static IEnumerable<string> Spellings(string name, string variant, string ending) =>
        [$"{name}{variant}.{ending}", $"{name}{variant}.{ending}.index.json", $"{name}.{ending}.index{variant}.json"];

    private string Required(string part, string file)
    {
        var path = System.IO.Path.Combine(Path, part, file);
        return File.Exists(path)
            ? path
            : throw new InvalidDataException(
                $"the folder '{Name}' lacks {part}/{file}; it was not copied or fetched whole, so fetch what "
                    + "is missing"
            );
    }

    // A config without a length of its own writes a number beyond all lengths.
    private static int LengthOf(string path) =>
        File.Exists(path)
        && Config(path).TryGetProperty("model_max_length", out var value)
        && value.ValueKind == JsonValueKind.Number
        && value.TryGetInt32(out var length)
        && length >= 2
            ? length
            : ClipLength;

    private void CheckVersion()
    {
        var width = UNet.Number("cross_attention_dim");
        var linear =
            UNet.Config.TryGetProperty("use_linear_projection", out var projection)
            && projection.ValueKind == JsonValueKind.True;
        var velocity =
            Scheduler.TryGetProperty("prediction_type", out var type)
            && type.ValueKind == JsonValueKind.String
            && type.GetString() != "epsilon";
        if (width == 1024 || linear || velocity)
        {
            var sign =
                linear ? "linear projections"
                : velocity ? $"prediction_type {Listing.Quoted(type.GetString()!)}"
                : "a text width of 1024";
            throw new InvalidDataException(
                $"the folder '{Name}' holds Stable Diffusion of version 2 ({sign}), "
                    + $"and only version 1 is read here"
            );
        }
        if (
            UNet.Number("in_channels") is { } channels
            && Vae.Number("latent_channels") is { } latent
            && channels != latent
        )
            throw new InvalidDataException(
                $"the U-Net of '{Name}' takes {channels} channels and the autoencoder makes {latent}: an "
                    + "inpainting model, or parts of two models; take them all from one"
            );
        if (width is not null && TextEncoder.Number("hidden_size") is { } hidden && hidden != width)
            throw new InvalidDataException(
                $"the text encoder of '{Name}' has width {hidden} and the U-Net reads width {width}; take "
                    + "both from one model"
            );
    }

    private static JsonElement Config(string path)
    {
        var name =
            $"{System.IO.Path.GetFileName(System.IO.Path.GetDirectoryName(path))}/{System.IO.Path.GetFileName(path)}";
        if (new FileInfo(path).Length > ConfigLimit)
            throw new InvalidDataException(
                $"the config '{name}' has more than {ConfigLimit} bytes; it is not one, fetch it again"
            );
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { MaxDepth = 16 });
            if (json.RootElement.ValueKind == JsonValueKind.Object)
                return json.RootElement.Clone();
            throw new InvalidDataException($"the config '{name}' is not a JSON object; fetch it again");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException(
                $"the config '{name}' is not valid JSON ({Listing.Printable(Sentence.First(e.Message))}); "
                    + "fetch it again",
                e
            );
        }
    }

    private static string SingleFile(string name) =>
        System.IO.Path.GetExtension(name).ToLowerInvariant() switch
        {
            ".ckpt" => $"'{name}' is a single .ckpt, a pickle that can hold code, in other names than the networks "
                + "here; it was not opened, so take the model's diffusers folder instead",
            ".safetensors" =>
                $"'{name}' is a single file in other names than the networks here; take the model's diffusers "
                    + "folder instead",
            _ => $"'{name}' is a file, not a diffusers folder; name the folder that holds model_index.json",
        };

    private static string WithoutIndex(string folder, string name)
    {
        var names = Directory
            .EnumerateFileSystemEntries(folder)
            .Select(f => System.IO.Path.GetFileName(f)!)
            .Order()
            .ToList();
        if (names.Count == 0)
            return $"the folder '{name}' is empty; {Expected}";
        if (names.Contains("unet"))
            return $"the folder '{name}' lacks model_index.json; it was not copied or fetched whole, so fetch what "
                + "is missing";
        if (names.Contains("config.json"))
            return $"the folder '{name}' looks like one part of a model; name the folder above it, which holds "
                + "model_index.json";
        if (names.Any(n => n.StartsWith("DiT", StringComparison.OrdinalIgnoreCase)))
            return $"the folder '{name}' holds a DiT, not Stable Diffusion; read its file with DitCheckpoint";
        if (names.Any(n => n.EndsWith(".ckpt", StringComparison.OrdinalIgnoreCase)))
            return $"the folder '{name}' holds a .ckpt, a pickle that can hold code; it was not opened, so take the "
                + "model's diffusers folder instead";
        return $"the folder '{name}' is no diffusers folder: it holds {Listing.Of(names)} and no model_index.json; "
            + Expected;
    }
}
