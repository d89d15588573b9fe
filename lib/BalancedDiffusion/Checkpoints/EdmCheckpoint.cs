using System.Globalization;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>
/// Reads EDM-preconditioned U-Nets from state dicts under EDM's published names, with or without the prefix
/// <c>model.</c> (a <c>.safetensors</c>, or a <c>.pth</c> written from the published network) and from EDM's published
/// <c>.pkl</c>, none of whose code is run, and writes the first. The options stand in the metadata under <c>config</c>,
/// s under <c>sigma_data</c>.
/// </summary>
public static class EdmCheckpoint
{
    private const string SigmaDataKey = "sigma_data";
    private const string Prefix = "model.";

    /// <summary>Reads a network.</summary>
    /// <param name="path">The file; which of the three formats it has is seen from its first bytes.</param>
    /// <param name="options">The shape of the network, for a file that does not say; a file that does is
    /// believed.</param>
    /// <returns>A float32 network (float64 where the file holds float64) on the CPU in evaluation mode, which the
    /// caller owns.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged, says no options where none are given, or holds
    /// something else: the message lists every missing, unexpected and mis-shaped tensor. Resampling filters may lack,
    /// since the options fix them.</exception>
    public static EdmPreconditioner Load(string path, SongUNetOptions? options = null)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var tensors = EdmPickle.Is(path) ? EdmPickle.Read(path) : CheckpointFile.Read(path);
        var file = Path.GetFileName(path);
        try
        {
            if (options is null || tensors.Metadata.ContainsKey("config"))
                options = SongUNetOptions.FromMetadata(tensors.Metadata);
            var type = tensors.Values.Any(t => t.dtype == torch.ScalarType.Float64)
                ? torch.ScalarType.Float64
                : torch.ScalarType.Float32;
            var sigmaData = SigmaData(tensors.Metadata);
            var prefix = tensors.Keys.Any(name => name.StartsWith(Prefix, StringComparison.Ordinal)) ? Prefix : "";
            var filter = SongUNetInitialization.Filter(options, type);
            using (var plan = new SongUNet(options, WeightSources.Unset(type, torch.META)))
                Check(tensors, plan.state_dict().ToDictionary(t => prefix + t.Key, t => t.Value.shape), filter);
            return new EdmPreconditioner(
                options,
                (name, _) =>
                    tensors.TryGetValue(prefix + name, out var tensor) ? tensor.to_type(type).alias() : filter.clone(),
                sigmaData
            );
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"the checkpoint '{file}' does not hold an EDM network: {e.Message}", e);
        }
    }

    /// <summary>What was stored beside the weights: the metadata given to <see cref="Save"/>, the config and s; empty
    /// for a <c>.pth</c>.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public static IReadOnlyDictionary<string, string> Provenance(string path) => CheckpointFile.Provenance(path);

    /// <summary>Writes a network as safetensors, whole or not at all.</summary>
    /// <param name="model">The network.</param>
    /// <param name="path">The file to write.</param>
    /// <param name="provenance">How the network came to be (data, seed, rate, steps…), text by key; <c>config</c> and
    /// <c>sigma_data</c> are added by themselves.</param>
    /// <param name="half">Whether the weights are kept in half precision; they are read as float32 again.</param>
    /// <exception cref="ArgumentException">The provenance contradicts the network, a weight is not finite, or the path
    /// is empty.</exception>
    public static void Save(
        EdmPreconditioner model,
        string path,
        IReadOnlyDictionary<string, string>? provenance = null,
        bool half = false
    )
    {
        ArgumentNullException.ThrowIfNull(model);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var metadata = CheckpointFile.Metadata(
            provenance,
            SigmaDataKey,
            model.SigmaData.ToString("R", CultureInfo.InvariantCulture)
        );
        foreach (var (key, value) in model.Options.ToMetadata())
            metadata = CheckpointFile.Metadata(metadata, key, value);
        var weights = model
            .state_dict()
            .ToDictionary(w => w.Key, w => half ? w.Value.detach().to_type(torch.float16) : w.Value);
        foreach (var (name, weight) in weights)
            Guard.Finite(weight, name);
        Safetensors.Write(path, weights, metadata);
    }

    private static double SigmaData(IReadOnlyDictionary<string, string> metadata)
    {
        if (!metadata.TryGetValue(SigmaDataKey, out var text))
            return 0.5;
        if (
            double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
            && value > 0
            && double.IsFinite(value)
        )
            return value;
        throw new InvalidDataException($"its {SigmaDataKey} must be a positive number, was {Listing.Quoted(text)}");
    }

    /// <summary>Throws unless the tensors are those wanted; both are named as in the file.</summary>
    private static void Check(NamedTensors tensors, Dictionary<string, long[]> wanted, torch.Tensor filter)
    {
        var faults = new List<string>();
        var missing = wanted.Keys.Where(n => !tensors.ContainsKey(n) && !IsFilter(n)).ToList();
        if (missing.Count > 0)
            faults.Add($"missing {Listing.Of(missing)}");
        var unexpected = tensors.Keys.Where(n => !wanted.ContainsKey(n)).ToList();
        if (unexpected.Count > 0)
            faults.Add($"unexpected {Listing.Of(unexpected)}");
        var wrong = new List<string>();
        foreach (var (name, tensor) in tensors.Where(t => wanted.ContainsKey(t.Key)))
        {
            using var step = torch.NewDisposeScope();
            var shown = Listing.Quoted(name);
            if (!tensor.shape.SequenceEqual(wanted[name]))
                wrong.Add($"{shown} must have shape {Listing.Shape(wanted[name])}, was {Listing.Shape(tensor.shape)}");
            else if (!tensor.is_floating_point())
                wrong.Add($"{shown} must hold floating-point numbers, was {tensor.dtype}");
            else if (!torch.isfinite(tensor).all().item<bool>())
                wrong.Add($"{shown} holds NaN or infinity");
            else if (
                IsFilter(name)
                && (tensor.to_type(torch.float64) - filter.to_type(torch.float64)).abs().max().item<double>() > 1e-3
            )
                wrong.Add($"{shown} is another filter than the config's");
        }
        if (wrong.Count > 0)
            faults.Add(Listing.Some(wrong));
        if (faults.Count > 0)
            throw new InvalidDataException(string.Join("; ", faults));
    }

    private static bool IsFilter(string name) =>
        name.EndsWith(SongUNetInitialization.FilterName, StringComparison.Ordinal);
}
