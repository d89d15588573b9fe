using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>
/// Reads ReLU diffusions from the paper's <c>.pth</c> files and from our <c>.safetensors</c> files, and writes the
/// latter, under the authors' names: <c>encoder.weight</c> (p, d), <c>skip</c> (a scalar, or one number in a vector),
/// <c>time_mlp.0.weight</c> (width, 1), <c>time_mlp.0.bias</c> (width), <c>time_mlp.2.weight</c> (p, width),
/// <c>time_mlp.2.bias</c> (p).
/// </summary>
public static class ReluDiffusionCheckpoint
{
    private const string ActivationKey = "gain_activation";

    private static readonly string[] Names =
    [
        "encoder.weight",
        "skip",
        "time_mlp.0.weight",
        "time_mlp.0.bias",
        "time_mlp.2.weight",
        "time_mlp.2.bias",
    ];

    /// <summary>Reads a model.</summary>
    /// <param name="path">The file; which of the two formats it has is seen from its first bytes.</param>
    /// <param name="activation">The gain network's nonlinearity, for a file that does not say (a <c>.pth</c>); a file
    /// that does is believed.</param>
    /// <returns>A float32 model (float64 where the file holds float64) on the CPU, which the caller owns.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged, or holds something else: the message lists every
    /// missing, unexpected and mis-shaped tensor.</exception>
    public static ReluDiffusion Load(string path, GainActivation activation = GainActivation.SiLU)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var tensors = CheckpointFile.Read(path);
        var file = Path.GetFileName(path);
        Check(file, tensors);
        if (tensors.Metadata.TryGetValue(ActivationKey, out var said) && !Enum.TryParse(said, out activation))
            throw new InvalidDataException(
                $"the checkpoint '{file}' has {ActivationKey} = {Listing.Quoted(said)}, must be SiLU or ReLU"
            );
        var shape = tensors["encoder.weight"].shape;
        var type =
            tensors["encoder.weight"].dtype == torch.ScalarType.Float64
                ? torch.ScalarType.Float64
                : torch.ScalarType.Float32;
        var model = new ReluDiffusion(shape[1], shape[0], 0, tensors["time_mlp.0.bias"].shape[0], activation, type);
        foreach (var (name, parameter) in model.named_parameters())
            parameter.copy_(tensors[name].reshape(parameter.shape).to_type(type));
        return model;
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
    /// <param name="provenance">How the model came to be (data, seed, rate, steps…), text by key;
    /// <c>gain_activation</c> is added by itself.</param>
    /// <exception cref="ArgumentException">The provenance contradicts the model, a weight is not finite, or the path is
    /// empty.</exception>
    public static void Save(ReluDiffusion model, string path, IReadOnlyDictionary<string, string>? provenance = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var weights = model.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        foreach (var (name, weight) in weights)
            Guard.Finite(weight, name);
        Safetensors.Write(
            path,
            [.. Names.Select(name => new KeyValuePair<string, torch.Tensor>(name, weights[name]))],
            CheckpointFile.Metadata(provenance, ActivationKey, model.Activation.ToString())
        );
    }

    private static void Check(string file, NamedTensors tensors)
    {
        var faults = new List<string>();
        var missing = Names.Where(n => !tensors.ContainsKey(n)).ToList();
        if (missing.Count > 0)
            faults.Add($"missing {Listing.Of(missing)}");
        var unexpected = tensors.Keys.Where(n => !Names.Contains(n)).ToList();
        if (unexpected.Count > 0)
            faults.Add($"unexpected {Listing.Of(unexpected)}");
        foreach (var (name, tensor) in tensors.Where(t => Names.Contains(t.Key)))
            if (!tensor.is_floating_point())
                faults.Add($"'{name}' must hold floating-point numbers, was {tensor.dtype}");
            else if (!torch.isfinite(tensor).all().item<bool>())
                faults.Add($"'{name}' holds NaN or infinity");
        if (missing.Count == 0)
        {
            var weight = tensors["encoder.weight"].shape;
            if (weight.Length != 2 || weight.Contains(0))
                faults.Add($"'encoder.weight' must be a matrix, was {Listing.Shape(weight)}");
            else
            {
                var width = tensors["time_mlp.0.bias"].NumberOfElements;
                if (tensors["skip"].NumberOfElements != 1)
                    faults.Add($"'skip' must be one number, was {Listing.Shape(tensors["skip"].shape)}");
                if (width == 0)
                    faults.Add("'time_mlp.0.bias' must not be empty");
                void Must(string name, params long[] shape)
                {
                    if (!tensors[name].shape.SequenceEqual(shape))
                        faults.Add(
                            $"'{name}' must have shape {Listing.Shape(shape)}, was {Listing.Shape(tensors[name].shape)}"
                        );
                }
                Must("time_mlp.0.weight", width, 1);
                Must("time_mlp.0.bias", width);
                Must("time_mlp.2.weight", weight[0], width);
                Must("time_mlp.2.bias", weight[0]);
            }
        }
        if (faults.Count > 0)
            throw new InvalidDataException(
                $"the checkpoint '{file}' does not hold a ReLU diffusion: {string.Join("; ", faults)}"
            );
    }
}
