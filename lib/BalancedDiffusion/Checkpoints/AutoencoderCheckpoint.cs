using System.Text.Json.Nodes;
using BalancedDiffusion.Networks.StableDiffusion;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>Reads and writes the autoencoder of latents as a folder as diffusers writes it: <c>config.json</c> beside
/// <c>diffusion_pytorch_model.safetensors</c> or <c>.bin</c>, such as <c>sd-vae-ft-mse</c>, which DiT draws
/// with.</summary>
public static class AutoencoderCheckpoint
{
    private static readonly string[] Names = ["diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"];

    /// <summary>Reads a network.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="type">float32 on the CPU; float16 or bfloat16 for CUDA.</param>
    /// <param name="device">Where it lies, the CPU where null.</param>
    /// <returns>The network in evaluation mode, which the caller owns.</returns>
    /// <exception cref="FileNotFoundException">The folder lacks its config or its weights; the message says
    /// which.</exception>
    /// <exception cref="InvalidDataException">The config is of another network, or the file is damaged or holds
    /// something else: the message lists every missing, unexpected and mis-shaped tensor.</exception>
    public static LatentAutoencoder Load(
        string folder,
        torch.ScalarType type = torch.ScalarType.Float32,
        torch.Device? device = null
    )
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        var config = Path.Combine(folder, "config.json");
        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(folder));
        if (!File.Exists(config))
            throw new FileNotFoundException(
                $"the folder '{name}' has no config.json; name the folder of the autoencoder, or fetch it again",
                config
            );
        var weights =
            Names.Select(file => Path.Combine(folder, file)).FirstOrDefault(File.Exists)
            ?? throw new FileNotFoundException(
                $"the folder '{name}' has neither {Names[0]} nor {Names[1]}; fetch it again",
                Path.Combine(folder, Names[0])
            );
        var options = LatentAutoencoderOptions.FromConfig(File.ReadAllText(config));
        using var noGrad = torch.no_grad();
        using var tensors = CheckpointFile.Read(weights);
        var network = new LatentAutoencoder(options, tensors, type, device);
        network.eval();
        return network;
    }

    /// <summary>Writes a network as such a folder: its config, and its weights in half precision as safetensors. Each
    /// file appears whole or not at all.</summary>
    /// <param name="network">The network.</param>
    /// <param name="folder">The folder, made where it lacks; its files are replaced.</param>
    /// <param name="options">The config to write where it differs from the network's in its scaling factor; null for
    /// the network's.</param>
    /// <param name="provenance">How the network came to be, text by key, beside the weights.</param>
    /// <exception cref="ArgumentException">A weight is not finite in half precision, or the options have other
    /// sizes.</exception>
    public static void Save(
        LatentAutoencoder network,
        string folder,
        LatentAutoencoderOptions? options = null,
        IReadOnlyDictionary<string, string>? provenance = null
    )
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        options ??= network.Options;
        if (options with { ScalingFactor = 1 } != network.Options with { ScalingFactor = 1 })
            throw new ArgumentException(
                "options must have the network's sizes; change the scaling factor only",
                nameof(options)
            );
        DiffusersPartWriter.Write(
            network,
            folder,
            Names[0],
            "AutoencoderKL",
            JsonNode.Parse(options.ToConfig())!.AsObject(),
            provenance
        );
    }
}
