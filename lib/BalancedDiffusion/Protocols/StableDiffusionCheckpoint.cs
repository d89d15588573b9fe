using System.Text.Json.Nodes;
using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Protocols;

/// <summary>
/// Reads and writes Stable Diffusion v1 as a folder as diffusers writes it, see <see cref="DiffusersFolder"/>. Configs,
/// tokenizer and the headers of all files are read first, so that what does not belong together is told before
/// gigabytes are; then the plan of the memory is told; then the weights are streamed into the networks without a second
/// copy.
/// </summary>
public static class StableDiffusionCheckpoint
{
    // Decoding an image of 512×512 in float32 on the CPU raised the process by 1.8 GB, 6.6 times its widest
    // activation.
    private const int AliveActivations = 7;

    /// <summary>Reads a model.</summary>
    /// <param name="folder">The folder that holds <c>model_index.json</c>.</param>
    /// <param name="type">The type of all weights; null for float32 on the CPU and float16 on a GPU. Where a part has
    /// files in half precision too, they are taken for float16 and bfloat16.</param>
    /// <param name="device">Where it lies, the CPU where null.</param>
    /// <param name="say">Told in one line, before any weight is read, what is needed and what is free; or null.</param>
    /// <param name="evenWhereItDoesNotFit">Whether to go on where less is free than needed.</param>
    /// <returns>The model, its networks in evaluation mode. The caller owns it.</returns>
    /// <exception cref="ArgumentException">The type is no floating-point type.</exception>
    /// <exception cref="InvalidDataException">The folder is something else, of another version, not whole or made of
    /// two models, or a file is damaged or holds other tensors; one sentence says which part and what to
    /// do.</exception>
    /// <exception cref="InvalidOperationException">It does not fit into the memory.</exception>
    /// <example><code>
    /// var index = DataFolders.Require("stable-diffusion-v1-4/model_index.json");
    /// using var model = StableDiffusionCheckpoint.Load(Path.GetDirectoryName(index), say: Console.WriteLine);
    /// </code></example>
    public static StableDiffusionV1 Load(
        string folder,
        torch.ScalarType? type = null,
        torch.Device? device = null,
        Action<string>? say = null,
        bool evenWhereItDoesNotFit = false
    )
    {
        var place = device ?? torch.CPU;
        var number = type ?? (place.type == DeviceType.CUDA ? torch.ScalarType.Float16 : torch.ScalarType.Float32);
        if (!WeightFiles.IsFloating(number))
            throw new ArgumentException(
                $"type must be Float16, BFloat16, Float32 or Float64, was {number}",
                nameof(type)
            );
        var files = DiffusersFolder.Open(
            folder,
            preferHalf: number is torch.ScalarType.Float16 or torch.ScalarType.BFloat16
        );
        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(files.Path));
        var text = ClipTextOptions.FromConfig(files.TextEncoder.Config.GetRawText());
        var unet = ConditionalUNetOptions.FromConfig(files.UNet.Config.GetRawText());
        var vae = LatentAutoencoderOptions.FromConfig(files.Vae.Config.GetRawText());
        var schedule = LatentSchedule.FromConfig(files.Scheduler.GetRawText());
        var tokenizer = new ClipTokenizer(files.VocabularyPath, files.MergesPath, files.TokenLength);
        if (StableDiffusionV1.Misfit(tokenizer, text, unet, vae) is { } misfit)
            throw new InvalidDataException($"the parts of '{name}' do not belong together: {misfit}");
        var weights = files.Parts.ToDictionary(part => part.Name, part => NamingPart(name, part.Name, part.Weights));
        var working =
            (double)AliveActivations
            * vae.BlockChannels[Math.Min(1, vae.BlockChannels.Count - 1)]
            * vae.SampleSize
            * vae.SampleSize
            * TensorBytes.Size(number);
        MemoryPlan
            .For(new ComputeDevice(place, "as asked"), number, weights, (long)Math.Min(working, long.MaxValue / 4))
            .Require(say, evenWhereItDoesNotFit);

        var made = new List<torch.nn.Module>();
        T Filled<T>(DiffusersPart part, Func<WeightSource, T> build, Func<string, string?>? nameInNetwork = null)
            where T : torch.nn.Module
        {
            var network = build(WeightSources.Unset(number, place));
            made.Add(network);
            NamingPart(
                    name,
                    part.Name,
                    () =>
                    {
                        weights[part.Name].LoadInto(network, nameInNetwork);
                        return network;
                    }
                )
                .eval();
            return network;
        }
        try
        {
            // The large one last: a fault of the others is reported sooner.
            var textEncoder = Filled(
                files.TextEncoder,
                source => new ClipTextEncoder(text, source),
                tensor => tensor == ClipTextEncoder.Ignored ? null : tensor
            );
            var autoencoder = Filled(
                files.Vae,
                source => new LatentAutoencoder(vae, source),
                LatentAutoencoder.InNewerWords
            );
            return new StableDiffusionV1(
                tokenizer,
                textEncoder,
                Filled(files.UNet, source => new ConditionalUNet(unet, source)),
                autoencoder,
                schedule
            );
        }
        catch
        {
            foreach (var network in made)
                network.Dispose();
            throw;
        }
    }

    /// <summary>Writes a model as such a folder, weights in half precision, so that <see cref="Load"/> and diffusers
    /// read it. Each file appears whole or not at all, <c>model_index.json</c> last.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">The folder of the tokenizer's own <c>vocab.json</c> and <c>merges.txt</c>, which are
    /// copied.</param>
    /// <param name="folder">The folder to write, made where it lacks; files of the same names are replaced.</param>
    /// <param name="provenance">How the model came to be, text by key, beside the weights of the U-Net and of the text
    /// encoder.</param>
    /// <param name="autoencoderProvenance">The same of the autoencoder.</param>
    /// <exception cref="ArgumentException">A weight is not finite in half precision.</exception>
    /// <exception cref="FileNotFoundException">The tokenizer's files are not there.</exception>
    public static void Save(
        StableDiffusionV1 model,
        string tokenizer,
        string folder,
        IReadOnlyDictionary<string, string>? provenance = null,
        IReadOnlyDictionary<string, string>? autoencoderProvenance = null
    )
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrWhiteSpace(tokenizer);
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        foreach (var file in new[] { "vocab.json", "merges.txt" })
        {
            using var copy = new AtomicFile(Path.Combine(folder, "tokenizer", file));
            File.Copy(Path.Combine(tokenizer, file), copy.Temporary);
            copy.Commit();
        }
        DiffusersPartWriter.WriteJson(
            Path.Combine(folder, "tokenizer", "tokenizer_config.json"),
            new JsonObject
            {
                ["tokenizer_class"] = "CLIPTokenizer",
                ["model_max_length"] = model.Tokenizer.Length,
                ["do_lower_case"] = true,
                ["bos_token"] = "<|startoftext|>",
                ["eos_token"] = "<|endoftext|>",
                ["unk_token"] = "<|endoftext|>",
                ["pad_token"] = "<|endoftext|>",
            }
        );
        DiffusersPartWriter.WriteJson(
            Path.Combine(folder, "scheduler", "scheduler_config.json"),
            Named("DDIMScheduler", model.Schedule.ToConfig())
        );
        AutoencoderCheckpoint.Save(model.Autoencoder, Path.Combine(folder, "vae"), provenance: autoencoderProvenance);
        var text = JsonNode.Parse(model.TextEncoder.Options.ToConfig())!.AsObject();
        text["architectures"] = new JsonArray("CLIPTextModel");
        text["model_type"] = "clip_text_model";
        text["eos_token_id"] = model.Tokenizer.Tokens("")[^1];
        text["bos_token_id"] = model.Tokenizer.Tokens("")[0];
        text["pad_token_id"] = model.Tokenizer.Tokens("")[^1];
        DiffusersPartWriter.Write(
            model.TextEncoder,
            Path.Combine(folder, "text_encoder"),
            "model.safetensors",
            "CLIPTextModel",
            text,
            provenance
        );
        DiffusersPartWriter.Write(
            model.Network,
            Path.Combine(folder, "unet"),
            "diffusion_pytorch_model.safetensors",
            "UNet2DConditionModel",
            JsonNode.Parse(model.Network.Options.ToConfig())!.AsObject(),
            provenance
        );
        var index = new JsonObject { ["_class_name"] = "StableDiffusionPipeline" };
        foreach (
            var (part, package, type) in new[]
            {
                ("scheduler", "diffusers", "DDIMScheduler"),
                ("text_encoder", "transformers", "CLIPTextModel"),
                ("tokenizer", "transformers", "CLIPTokenizer"),
                ("unet", "diffusers", "UNet2DConditionModel"),
                ("vae", "diffusers", "AutoencoderKL"),
            }
        )
            index[part] = new JsonArray(package, type);
        foreach (var absent in new[] { "safety_checker", "feature_extractor" })
            index[absent] = new JsonArray(null, null);
        DiffusersPartWriter.WriteJson(Path.Combine(folder, "model_index.json"), index);
    }

    private static JsonObject Named(string className, string config)
    {
        var named = new JsonObject { ["_class_name"] = className };
        foreach (var (key, value) in JsonNode.Parse(config)!.AsObject())
            named[key] = value?.DeepClone();
        return named;
    }

    /// <summary>Reads a part; an error names it, as the files of U-Net and autoencoder have one name.</summary>
    private static T NamingPart<T>(string folder, string part, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"the part '{part}' of '{folder}' cannot be read: {e.Message}", e);
        }
    }
}
