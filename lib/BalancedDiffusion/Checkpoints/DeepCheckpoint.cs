using System.Globalization;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Checkpoints;

/// <summary>Reads and writes the deep networks that this repository trains, U-Nets and preconditioned DiTs alike; the
/// file says which it holds. See <see cref="EdmCheckpoint"/> and <see cref="DitCheckpoint"/> for published
/// ones.</summary>
public static class DeepCheckpoint
{
    /// <summary>What stands under the key <c>network</c> beside the weights of a U-Net.</summary>
    public const string UNet = "EDM U-Net";

    private const string KindKey = "network",
        SigmaDataKey = "sigma_data",
        Transformer = "preconditioned DiT";

    /// <summary>Reads a network.</summary>
    /// <param name="path">The file, a safetensors.</param>
    /// <returns>An <see cref="EdmPreconditioner"/> or a <see cref="DitDenoiser"/> on the CPU, in evaluation mode, its
    /// weights without gradients; the caller disposes it.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or holds something else.</exception>
    public static IDenoiser Load(string path)
    {
        var metadata = CheckpointFile.Provenance(path);
        var kind = metadata.GetValueOrDefault(KindKey);
        IDenoiser network = kind switch
        {
            UNet => EdmCheckpoint.Load(path),
            Transformer => Preconditioned(path, metadata),
            _ => throw new InvalidDataException(
                $"the file '{Path.GetFileName(path)}' does not say that it holds a deep network of this "
                    + $"repository ('{KindKey}' is {(kind is null ? "missing" : Listing.Quoted(kind))}); read it "
                    + "with EdmCheckpoint or DitCheckpoint"
            ),
        };
        var module = network.Module!;
        foreach (var parameter in module.parameters())
            parameter.requires_grad_(false);
        module.eval();
        return network;
    }

    /// <summary>What was stored beside the weights: how the network came to be, and its sizes.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public static IReadOnlyDictionary<string, string> Provenance(string path) => CheckpointFile.Provenance(path);

    /// <summary>Writes a network as safetensors, whole or not at all.</summary>
    /// <param name="network">An <see cref="EdmPreconditioner"/>, or a <see cref="DitDenoiser"/> with
    /// preconditioning.</param>
    /// <param name="path">The file to write.</param>
    /// <param name="provenance">How the network came to be, text by key.</param>
    /// <exception cref="ArgumentException">The network is of neither kind, the provenance contradicts it, a weight is
    /// not finite, or the path is empty.</exception>
    public static void Save(IDenoiser network, string path, IReadOnlyDictionary<string, string>? provenance = null)
    {
        ArgumentNullException.ThrowIfNull(network);
        switch (network)
        {
            case EdmPreconditioner unet:
                EdmCheckpoint.Save(unet, path, CheckpointFile.Metadata(provenance, KindKey, UNet));
                break;
            case DitDenoiser { SigmaData: { } sigma } dit:
                DitCheckpoint.Save(
                    dit.Network,
                    path,
                    CheckpointFile.Metadata(
                        CheckpointFile.Metadata(provenance, KindKey, Transformer),
                        SigmaDataKey,
                        sigma.ToString("R", CultureInfo.InvariantCulture)
                    )
                );
                break;
            default:
                throw new ArgumentException(
                    "network must be an EdmPreconditioner or a preconditioned DitDenoiser, was "
                        + $"{network.GetType().Name}",
                    nameof(network)
                );
        }
    }

    private static DitDenoiser Preconditioned(string path, IReadOnlyDictionary<string, string> metadata)
    {
        if (
            !double.TryParse(
                metadata.GetValueOrDefault(SigmaDataKey),
                NumberStyles.Float,
                CultureInfo.InvariantCulture,
                out var sigma
            ) || !(sigma > 0 && double.IsFinite(sigma))
        )
            throw new InvalidDataException(
                $"the checkpoint '{Path.GetFileName(path)}' does not hold a preconditioned DiT: its "
                    + $"{SigmaDataKey} must be a positive number, was "
                    + $"{Listing.Quoted(metadata.GetValueOrDefault(SigmaDataKey) ?? "missing")}"
            );
        Dit? dit = null;
        try
        {
            dit = DitCheckpoint.Load(path);
            return DitDenoiser.Preconditioned(dit, sigma);
        }
        catch (ArgumentException e) // no sizes, or a learned variance
        {
            dit?.Dispose();
            throw new InvalidDataException(
                $"the checkpoint '{Path.GetFileName(path)}' does not hold a preconditioned DiT: "
                    + $"{e.Message.Split(" (Parameter")[0]}",
                e
            );
        }
    }
}
