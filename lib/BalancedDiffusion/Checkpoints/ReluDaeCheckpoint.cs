using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>
/// Reads ReLU-DAEs from the paper's <c>.pth</c> files and from our <c>.safetensors</c> files, and writes the latter.
/// Both use the authors' names: <c>encoder.0.weight</c>, shape (p, d), is W1ᵀ, and <c>decoder.0.weight</c>, shape (d,
/// p), is W2.
/// </summary>
public static class ReluDaeCheckpoint
{
    private const string EncoderName = "encoder.0.weight";
    private const string DecoderName = "decoder.0.weight";
    private const string TiedKey = "tied";

    /// <summary>Reads a model. It is tied where the file says so, or, in a file that does not say, where W2 equals W1
    /// exactly.</summary>
    /// <param name="path">The file; which of the two formats it has is seen from its first bytes.</param>
    /// <returns>A float32 model (float64 where the file holds float64) on the CPU, which the caller owns.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged, or holds something else: the message lists every
    /// missing, unexpected and mis-shaped tensor.</exception>
    public static ReluDae Load(string path)
    {
        using var scope = torch.NewDisposeScope();
        using var tensors = CheckpointFile.Read(path);
        var file = Path.GetFileName(path);
        Check(file, tensors);
        var type =
            tensors[EncoderName].dtype == torch.ScalarType.Float64
                ? torch.ScalarType.Float64
                : torch.ScalarType.Float32;
        var encoder = tensors[EncoderName].to_type(type, copy: true);
        var decoder = tensors[DecoderName].to_type(type).t().contiguous();
        var equal = encoder.eq(decoder).all().item<bool>();
        if (!tensors.Metadata.TryGetValue(TiedKey, out var said))
            said = equal ? "true" : "false";
        if (said is not ("true" or "false"))
            throw new InvalidDataException(
                $"the checkpoint '{file}' has tied = {Listing.Quoted(said)}, must be true or false"
            );
        if (said == "true" && !equal)
            throw new InvalidDataException(
                $"the checkpoint '{file}' says that its model is tied, but its decoder is not the encoder's "
                    + "transpose; one of the two is wrong"
            );
        return new ReluDae(encoder, said == "true" ? null : decoder);
    }

    /// <summary>What was stored beside the weights: the metadata given to <see cref="Save"/>; empty for a
    /// <c>.pth</c>.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public static IReadOnlyDictionary<string, string> Provenance(string path) => CheckpointFile.Provenance(path);

    /// <summary>Writes a model as safetensors, whole or not at all.</summary>
    /// <param name="model">The model.</param>
    /// <param name="path">The file to write.</param>
    /// <param name="provenance">How the model came to be (data, seed, rate, steps…), text by key; <c>tied</c> is
    /// added by itself.</param>
    /// <exception cref="ArgumentException">The provenance contradicts the model about <c>tied</c>, a weight is not
    /// finite, or the path is empty.</exception>
    public static void Save(ReluDae model, string path, IReadOnlyDictionary<string, string>? provenance = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        foreach (var (name, weight) in model.named_parameters())
            Guard.Finite(weight, name);
        var metadata = CheckpointFile.Metadata(provenance, TiedKey, model.IsTied ? "true" : "false");
        Safetensors.Write(path, [new(EncoderName, model.Encoder), new(DecoderName, model.Decoder.t())], metadata);
    }

    private static void Check(string file, NamedTensors tensors)
    {
        var faults = new List<string>();
        var missing = new[] { EncoderName, DecoderName }.Where(n => !tensors.ContainsKey(n)).ToList();
        if (missing.Count > 0)
            faults.Add($"missing {Listing.Of(missing)}");
        var unexpected = tensors.Keys.Where(n => n is not (EncoderName or DecoderName)).ToList();
        if (unexpected.Count > 0)
            faults.Add($"unexpected {Listing.Of(unexpected)}");
        foreach (var (name, tensor) in tensors.Where(t => t.Key is EncoderName or DecoderName))
        {
            if (!tensor.is_floating_point())
                faults.Add($"'{name}' must hold floating-point numbers, was {tensor.dtype}");
            else if (!torch.isfinite(tensor).all().item<bool>())
                faults.Add($"'{name}' holds NaN or infinity");
            if (tensor.dim() != 2 || tensor.shape.Contains(0))
                faults.Add($"'{name}' must be a matrix, was {Listing.Shape(tensor.shape)}");
        }
        if (faults.Count == 0)
        {
            var (encoder, decoder) = (tensors[EncoderName].shape, tensors[DecoderName].shape);
            if (encoder[0] != decoder[1] || encoder[1] != decoder[0])
                faults.Add(
                    $"'{DecoderName}' must have shape ({encoder[1]}, {encoder[0]}) to fit the encoder of "
                        + $"shape {Listing.Shape(encoder)}, was {Listing.Shape(decoder)}"
                );
        }
        if (faults.Count > 0)
            throw new InvalidDataException(
                $"the checkpoint '{file}' does not hold a ReLU-DAE: {string.Join("; ", faults)}"
            );
    }
}
