using BalancedDiffusion.Networks;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>
/// Reads DiT networks from the published <c>.pth</c> or <c>.pt</c> files and from <c>.safetensors</c> files, and writes
/// the latter, under the names of the published code. The sizes stand in the metadata of a safetensors file as
/// <see cref="DitOptions.ToMetadata"/> writes them.
/// </summary>
public static class DitCheckpoint
{
    /// <summary>Reads a network.</summary>
    /// <param name="path">The file; which of the two formats it has is seen from its first bytes.</param>
    /// <param name="options">The sizes, for a file that does not say (a <c>.pth</c>); for one that does, null or the
    /// same.</param>
    /// <returns>A float32 network (float64 where the file holds float64) on the CPU, which the caller owns.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="ArgumentException">Neither the file nor the caller gives the sizes, or the two contradict each
    /// other.</exception>
    /// <exception cref="InvalidDataException">The file is damaged, or holds something else: the message lists every
    /// missing, unexpected and mis-shaped tensor.</exception>
    public static Dit Load(string path, DitOptions? options = null)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var tensors = CheckpointFile.Read(path);
        var file = Path.GetFileName(path);
        options = Options(file, tensors, options);
        Check(file, tensors, Dit.Shapes(options));
        var type =
            tensors["pos_embed"].dtype == torch.ScalarType.Float64
                ? torch.ScalarType.Float64
                : torch.ScalarType.Float32;
        return new Dit(options, (name, _) => tensors[name].to_type(type).alias());
    }

    /// <summary>What was stored beside the weights: the metadata given to <see cref="Save"/> and the sizes; empty for a
    /// <c>.pth</c>.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public static IReadOnlyDictionary<string, string> Provenance(string path) => CheckpointFile.Provenance(path);

    /// <summary>Writes a network as safetensors, whole or not at all.</summary>
    /// <param name="model">The network.</param>
    /// <param name="path">The file to write.</param>
    /// <param name="provenance">How the network came to be (data, seed, preconditioning, steps…), text by key;
    /// <c>config</c> is added by itself.</param>
    /// <param name="half">Whether the weights are kept in half precision; they are read as float32 again.</param>
    /// <exception cref="ArgumentException">The provenance contradicts the network, a weight is not finite, or the path
    /// is empty.</exception>
    public static void Save(
        Dit model,
        string path,
        IReadOnlyDictionary<string, string>? provenance = null,
        bool half = false
    )
    {
        ArgumentNullException.ThrowIfNull(model);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var weights = model
            .state_dict()
            .ToDictionary(w => w.Key, w => half ? w.Value.detach().to_type(torch.float16) : w.Value);
        foreach (var (name, weight) in weights)
            Guard.Finite(weight, name);
        var (key, value) = model.Options.ToMetadata().Single();
        Safetensors.Write(
            path,
            [.. Dit.Shapes(model.Options).Keys.Select(name => KeyValuePair.Create(name, weights[name]))],
            CheckpointFile.Metadata(provenance, key, value)
        );
    }

    private static DitOptions Options(string file, NamedTensors tensors, DitOptions? asked)
    {
        if (!tensors.Metadata.ContainsKey("config"))
            return asked
                ?? throw new ArgumentException(
                    $"the checkpoint '{file}' does not say the sizes of its network; pass options, such as "
                        + "DitOptions.Published(\"XL\", 2)",
                    nameof(asked)
                );
        DitOptions said;
        try
        {
            said = DitOptions.From(tensors.Metadata);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"the checkpoint '{file}' cannot be read: {e.Message}", e);
        }
        if (asked is not null && asked != said)
            throw new ArgumentException(
                $"the checkpoint '{file}' has other sizes than the options, "
                    + $"{said.ToMetadata().Values.Single()}; leave the options out",
                nameof(asked)
            );
        return said;
    }

    private static void Check(string file, NamedTensors tensors, IReadOnlyDictionary<string, long[]> shapes)
    {
        var faults = TensorNames.Faults(tensors, shapes);
        if (faults.Count > 0)
            throw new InvalidDataException(
                $"the checkpoint '{file}' does not hold a DiT of these sizes: {string.Join("; ", faults)}"
            );
    }
}
