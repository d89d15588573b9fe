using System.Text.Json.Nodes;
using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Tests.Checkpoints;

public sealed class DiffusersFolderTests : IDisposable
{
    private readonly TemporaryFolder temporary = new();

    private string Folder => temporary.File("sd");

    public DiffusersFolderTests()
    {
        Config(
            "model_index.json",
            new JsonObject
            {
                ["_class_name"] = "StableDiffusionPipeline",
                ["unet"] = new JsonArray("diffusers", "UNet2DConditionModel"),
            }
        );
        Config(
            "unet/config.json",
            new JsonObject
            {
                ["_class_name"] = "UNet2DConditionModel",
                ["in_channels"] = 4,
                ["cross_attention_dim"] = 768,
                ["block_out_channels"] = new JsonArray(320, 640),
            }
        );
        Config("vae/config.json", new JsonObject { ["latent_channels"] = 4 });
        Config("text_encoder/config.json", new JsonObject { ["hidden_size"] = 768 });
        Config(
            "scheduler/scheduler_config.json",
            new JsonObject { ["_class_name"] = "PNDMScheduler", ["beta_start"] = 0.00085 }
        );
        foreach (var file in new[] { "tokenizer/vocab.json", "tokenizer/merges.txt" })
            Put(file);
        foreach (var part in new[] { "unet", "vae" })
            Weights($"{part}/diffusion_pytorch_model.safetensors");
        Weights("text_encoder/model.safetensors");
    }

    public void Dispose() => temporary.Dispose();

    private string Put(string file, string text = "{}")
    {
        var path = Path.Combine(Folder, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        return path;
    }

    private void Config(string file, JsonObject config) => Put(file, config.ToJsonString());

    private void Weights(string file, torch.ScalarType type = torch.ScalarType.Float32)
    {
        using var scope = torch.NewDisposeScope();
        Safetensors.Write(
            Path.Combine(Folder, file),
            [new("w", torch.zeros(10, 100, dtype: type)), new("ids", torch.zeros(3, dtype: torch.int64))]
        );
    }

    private string Refusal(string? path = null)
    {
        var message = Assert.Throws<InvalidDataException>(() => DiffusersFolder.Open(path ?? Folder)).Message;
        Assert.DoesNotContain('\n', message);
        return message;
    }

    [Fact]
    public void AFolderIsRecognizedWithItsConfigsAndFiles()
    {
        var folder = DiffusersFolder.Open(Folder);
        Assert.Equal(["unet", "vae", "text_encoder"], folder.Parts.Select(p => p.Name));
        Assert.Equal(
            (768L, "UNet2DConditionModel", (long?)null, (string?)null),
            (
                folder.UNet.Number("cross_attention_dim"),
                folder.UNet.Text("_class_name"),
                folder.UNet.Number("_class_name"),
                folder.UNet.Text("in_channels")
            )
        );
        Assert.Equal(
            [320, 640],
            folder.UNet.Config.GetProperty("block_out_channels").EnumerateArray().Select(n => n.GetInt32())
        );
        Assert.Equal(0.00085, folder.Scheduler.GetProperty("beta_start").GetDouble());
        Assert.Equal(
            ["vocab.json", "merges.txt"],
            new[] { folder.VocabularyPath, folder.MergesPath }.Select(Path.GetFileName)
        );
        Assert.Equal(["w", "ids"], folder.Vae.Weights().Tensors.Select(t => t.Name));
    }

    [Theory]
    [InlineData(
        false,
        "diffusion_pytorch_model.safetensors",
        "diffusion_pytorch_model.bin",
        "diffusion_pytorch_model.fp16.safetensors",
        "diffusion_pytorch_model.safetensors"
    )]
    [InlineData(
        true,
        "diffusion_pytorch_model.fp16.safetensors",
        "diffusion_pytorch_model.fp16.bin",
        "diffusion_pytorch_model.fp16.safetensors",
        "diffusion_pytorch_model.safetensors"
    )]
    [InlineData(
        false,
        "diffusion_pytorch_model.fp16.safetensors",
        "diffusion_pytorch_model.bin",
        "diffusion_pytorch_model.fp16.safetensors"
    )]
    [InlineData(
        true,
        "diffusion_pytorch_model.safetensors",
        "diffusion_pytorch_model.fp16.bin",
        "diffusion_pytorch_model.safetensors"
    )]
    [InlineData(
        false,
        "diffusion_pytorch_model.bin",
        "diffusion_pytorch_model.bin",
        "diffusion_pytorch_model.fp16.bin"
    )]
    [InlineData(
        false,
        "diffusion_pytorch_model.safetensors.index.json",
        "diffusion_pytorch_model.bin",
        "diffusion_pytorch_model.safetensors.index.json"
    )]
    [InlineData(
        true,
        "diffusion_pytorch_model.safetensors.index.fp16.json",
        "diffusion_pytorch_model.bin",
        "diffusion_pytorch_model.safetensors.index.fp16.json",
        "diffusion_pytorch_model.safetensors.index.json"
    )]
    public void OfAPartsFilesSafetensorsComeFirstAndThenTheKindThatIsAskedFor(
        bool preferHalf,
        string chosen,
        params string[] there
    )
    {
        File.Delete(Path.Combine(Folder, "unet", "diffusion_pytorch_model.safetensors"));
        foreach (var file in there)
            Put($"unet/{file}");
        Assert.Equal(chosen, Path.GetFileName(DiffusersFolder.Open(Folder, preferHalf).UNet.WeightPath));
    }

    [Fact]
    public void WhatIsSomethingElseIsToldInOneSentence()
    {
        Assert.Contains("there is no folder", Refusal(temporary.File("nowhere")));
        Directory.CreateDirectory(temporary.File("empty"));
        Assert.Contains("the folder 'empty' is empty", Refusal(temporary.File("empty")));
        File.WriteAllText(temporary.File("v1.ckpt"), "");
        Assert.Contains("'v1.ckpt' is a single .ckpt, a pickle that can hold code", Refusal(temporary.File("v1.ckpt")));
        File.WriteAllText(temporary.File("v1.safetensors"), "");
        Assert.Contains("'v1.safetensors' is a single file in other names", Refusal(temporary.File("v1.safetensors")));
        Assert.Contains(
            "'unet' looks like one part of a model; name the folder above it",
            Refusal(Path.Combine(Folder, "unet"))
        );
        Directory.CreateDirectory(temporary.File("dit"));
        File.WriteAllText(temporary.File("dit/DiT-XL-2-256x256.pt"), "");
        Assert.Contains(
            "'dit' holds a DiT, not Stable Diffusion; read its file with DitCheckpoint",
            Refusal(temporary.File("dit"))
        );
        Directory.CreateDirectory(temporary.File("old"));
        File.WriteAllText(temporary.File("old/sd-v1-4.ckpt"), "");
        Assert.Contains(
            "'old' holds a .ckpt, a pickle that can hold code; it was not opened",
            Refusal(temporary.File("old"))
        );
        Directory.CreateDirectory(temporary.File("photos"));
        File.WriteAllText(temporary.File("photos/cat.png"), "");
        Assert.Contains(
            "'photos' is no diffusers folder: it holds 'cat.png' and no model_index.json",
            Refusal(temporary.File("photos"))
        );
        File.Delete(Path.Combine(Folder, "model_index.json"));
        Assert.Contains("'sd' lacks model_index.json; it was not copied or fetched whole", Refusal());
        Config("model_index.json", new JsonObject { ["_class_name"] = "DiTPipeline" });
        Assert.Contains("'sd' holds a DiT, not Stable Diffusion", Refusal());
        Config("model_index.json", new JsonObject { ["_class_name"] = "StableDiffusionXLPipeline" });
        Assert.Contains(
            "'sd' holds a StableDiffusionXLPipeline, and only StableDiffusionPipeline of version 1 is read here",
            Refusal()
        );
        Put("model_index.json", "[]");
        Assert.Contains("'sd/model_index.json' is not a JSON object", Refusal());
        Put("model_index.json", "{\"_class_name\"");
        Assert.Contains("'sd/model_index.json' is not valid JSON", Refusal());
    }

    [Theory]
    [InlineData("unet/config.json", "cross_attention_dim", "1024", "version 2 (a text width of 1024)")]
    [InlineData("unet/config.json", "use_linear_projection", "true", "version 2 (linear projections)")]
    [InlineData(
        "scheduler/scheduler_config.json",
        "prediction_type",
        "\"v_prediction\"",
        "version 2 (prediction_type 'v_prediction')"
    )]
    [InlineData(
        "text_encoder/config.json",
        "hidden_size",
        "512",
        "the text encoder of 'sd' has width 512 and the U-Net reads width 768"
    )]
    [InlineData(
        "unet/config.json",
        "in_channels",
        "9",
        "the U-Net of 'sd' takes 9 channels and the autoencoder makes 4: an inpainting model"
    )]
    public void AnotherVersionAndPartsOfTwoModelsAreTold(string file, string key, string value, string words)
    {
        var config = (JsonObject)JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, file)))!;
        config[key] = JsonNode.Parse(value);
        Config(file, config);
        Assert.Contains(words, Refusal());
    }

    [Theory]
    [InlineData("unet/config.json")]
    [InlineData("tokenizer/merges.txt")]
    [InlineData("scheduler/scheduler_config.json")]
    public void AFolderThatIsNotWholeSaysWhatIsMissing(string file)
    {
        File.Delete(Path.Combine(Folder, file));
        Assert.Contains($"the folder 'sd' lacks {file}; it was not copied or fetched whole", Refusal());
    }

    [Fact]
    public void WeightsOfAnotherFrameworkAreTold()
    {
        File.Move(
            Path.Combine(Folder, "vae", "diffusion_pytorch_model.safetensors"),
            Path.Combine(Folder, "vae", "diffusion_flax_model.msgpack")
        );
        Assert.Contains(
            "the part 'vae' of 'sd' has no weights that are read here (diffusion_pytorch_model.safetensors "
                + "or diffusion_pytorch_model.bin); it has 'diffusion_flax_model.msgpack', so fetch the PyTorch "
                + "ones",
            Refusal()
        );
    }

    [Fact]
    public void ThePlanCountsHeadersAloneAndRefusesWhatDoesNotFit()
    {
        var folder = DiffusersFolder.Open(Folder);
        var parts = folder.Parts.Select(p => KeyValuePair.Create(p.Name, p.Weights()));
        var plan = MemoryPlan.For(ComputeDevice.Choose("cpu"), torch.ScalarType.Float16, parts, workingBytes: 500);
        // 1,000 numbers of two bytes and three of eight in each part
        Assert.Equal([2024, 2024, 2024], plan.Parts.Select(p => p.Value));
        Assert.Equal((3 * 2024 + 500, "on the CPU", true), (plan.NeededBytes, plan.Place, plan.Fits));
        Assert.InRange(plan.FreeBytes!.Value, 1_000_000, long.MaxValue);

        var said = new List<string>();
        var large = new MemoryPlan([KeyValuePair.Create("unet", 3_400_000_000L)], 0, 9_800_000_000, "on the CPU");
        large.Require(said.Add);
        Assert.Equal(["needs 3.4 GB, 9.8 GB free on the CPU"], said);
        var tooLarge = large with { FreeBytes = 1_000_000_000, WorkingBytes = 600_000_000 };
        Assert.Equal(
            "the model needs 4.0 GB (unet 3.4 GB, computing 0.6 GB), 1.0 GB free on the CPU; close other "
                + "programs, load it in float16 on a GPU, or say evenWhereItDoesNotFit to try all the same",
            Assert.Throws<InvalidOperationException>(() => tooLarge.Require(said.Add)).Message
        );
        tooLarge.Require(said.Add, evenWhereItDoesNotFit: true);
        Assert.Equal(3, said.Count);
        (large with { FreeBytes = null }).Require(said.Add);
        Assert.Equal("needs 3.4 GB, what is free is not known on the CPU", said[^1]);
    }
}
