using System.Text.Json.Nodes;
using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Tests.Networks;
using BalancedDiffusion.Tests.Networks.StableDiffusion;
using TorchSharp;

namespace BalancedDiffusion.Tests.Checkpoints;

/// <summary>A nano Stable Diffusion v1 as diffusers lays it out: U-Net and autoencoder (by its older names) are those
/// of data/tiny, the tokenizer's files are CLIP's own cut down, the text encoder is drawn.</summary>
internal sealed class StableDiffusionFolder : IDisposable
{
    private readonly TemporaryFolder temporary = new();

    public StableDiffusionFolder()
    {
        foreach (var part in new[] { "unet", "vae", "text_encoder", "tokenizer", "scheduler" })
            Directory.CreateDirectory(Path.Combine(Root, part));
        Write("model_index.json", new JsonObject { ["_class_name"] = "StableDiffusionPipeline" }.ToJsonString());
        foreach (var part in new[] { "unet", "vae" })
        {
            using var tensors = Safetensors.Read(UNetFixtures.File($"sd-{part}-nano.safetensors"));
            Write($"{part}/config.json", tensors.Metadata["config"]);
            Put($"{part}/diffusion_pytorch_model.safetensors", tensors);
        }
        TextEncoder = StableDiffusionGolden.Stirred(new ClipTextEncoder(StableDiffusionGolden.NanoText, 1));
        Write("text_encoder/config.json", TextEncoder.Options.ToConfig());
        Put("text_encoder/model.safetensors", TextEncoder.state_dict());
        foreach (var file in new[] { "vocab.json", "merges.txt" })
            File.Copy(UNetFixtures.File($"clip-{file}"), At($"tokenizer/{file}"));
        Write(
            "scheduler/scheduler_config.json",
            """
            {
              "_class_name": "PNDMScheduler",
              "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "trained_betas": null,
              "num_train_timesteps": 1000, "steps_offset": 1,
              "set_alpha_to_one": false, "skip_prk_steps": true, "clip_sample": false
            }
            """
        );
    }

    public string Root => temporary.File("sd");

    /// <summary>The network whose weights the text encoder's file holds.</summary>
    public ClipTextEncoder TextEncoder { get; }

    public string At(string file) => Path.Combine(Root, file);

    public void Write(string file, string text) => File.WriteAllText(At(file), text);

    public void Put(string file, IEnumerable<KeyValuePair<string, torch.Tensor>> tensors) =>
        Safetensors.Write(At(file), [.. tensors]);

    /// <summary>Sets a value of a config, as JSON.</summary>
    public void Set(string file, string key, string json)
    {
        var config = JsonNode.Parse(File.ReadAllText(At(file)))!;
        config[key] = JsonNode.Parse(json);
        Write(file, config.ToJsonString());
    }

    /// <summary>Writes the tensors of a part's file again.</summary>
    public void Rewrite(string file, Func<string, torch.Tensor, (string Name, torch.Tensor Tensor)> change)
    {
        using var scope = torch.NewDisposeScope();
        using var tensors = Safetensors.Read(At(file));
        Put(
            file,
            tensors.Select(t => change(t.Key, t.Value)).Select(t => KeyValuePair.Create(t.Name, t.Tensor)).ToList()
        );
    }

    /// <summary>Lays the U-Net's weights into three shards and an index of them.</summary>
    public void ShardUNet()
    {
        const string whole = "unet/diffusion_pytorch_model.safetensors";
        using var tensors = Safetensors.Read(At(whole));
        File.Delete(At(whole));
        var map = new JsonObject();
        foreach (
            var (shard, part) in tensors
                .Chunk(tensors.Count / 3 + 1)
                .Select((part, i) => ($"diffusion_pytorch_model-{i + 1:00000}-of-00003.safetensors", part))
        )
        {
            Put($"unet/{shard}", part);
            foreach (var (name, _) in part)
                map[name] = shard;
        }
        Write(
            "unet/diffusion_pytorch_model.safetensors.index.json",
            new JsonObject { ["metadata"] = new JsonObject(), ["weight_map"] = map }.ToJsonString()
        );
    }

    public void Dispose()
    {
        TextEncoder.Dispose();
        temporary.Dispose();
    }
}
