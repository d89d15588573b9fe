using BalancedDiffusion.Networks.StableDiffusion;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>Reads the autoencoder of latents from a folder as diffusers writes it: <c>config.json</c> beside
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
}
