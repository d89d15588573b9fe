using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>
/// A training run on disk: a safetensors file with the tensors <c>model.*</c>, <c>ema.*</c> and <c>optimizer.*</c>, and
/// where the run stands as JSON in its header. It appears whole or not at all, so that an older one is never half
/// overwritten; digests inside tell damage apart from change.
/// </summary>
public static class TrainingCheckpoint
{
    private const string Format = "BalancedDiffusion training 1";

    /// <summary>Copies the weights of a saved run into a model.</summary>
    /// <param name="path">The checkpoint.</param>
    /// <param name="model">A model of the same structure.</param>
    /// <param name="ema">Whether to take the EMA of the weights where there are both.</param>
    /// <returns>How many updates led to the weights.</returns>
    /// <exception cref="InvalidDataException">The file is damaged, no checkpoint of a run, or has no EMA; the
    /// model is untouched.</exception>
    /// <exception cref="ArgumentException">The model has other parameters; it is untouched.</exception>
    public static long LoadWeights(string path, torch.nn.Module model, bool ema = false)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var scope = torch.NewDisposeScope();
        var (state, tensors) = Read(path);
        if (ema && !tensors.Keys.Any(k => k.StartsWith("ema.", StringComparison.Ordinal)))
            throw new InvalidDataException(
                $"the checkpoint '{path}' keeps no EMA of the weights; load it with ema: false"
            );
        var source = ModelTensors(tensors);
        if (ema)
            foreach (var (key, value) in tensors.Where(t => t.Key.StartsWith("ema.", StringComparison.Ordinal)))
                source[key[4..]] = value;
        if (Mismatch(source, model.state_dict()) is { } difference)
            throw new ArgumentException($"the checkpoint '{path}' does not fit the model: {difference}", nameof(model));
        CopyInto(source, model.state_dict());
        return state.StepsDone;
    }

    internal static void Write(string path, TrainingState state, IReadOnlyDictionary<string, torch.Tensor> tensors)
    {
        state = state with { TensorsDigest = Digest(tensors) };
        Safetensors.Write(
            path,
            tensors,
            new Dictionary<string, string> { ["format"] = Format, ["training"] = JsonSerializer.Serialize(state) }
        );
    }

    /// <summary>Writes where that is possible: a full disk must not cost the hours of training that are in
    /// memory.</summary>
    /// <returns>What went wrong, the beginning of a sentence, or null.</returns>
    internal static string? TryWrite(
        string path,
        TrainingState state,
        IReadOnlyDictionary<string, torch.Tensor> tensors
    )
    {
        try
        {
            Write(path, state, tensors);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"the checkpoint '{path}' could not be written at step {state.StepsDone} "
                + $"({e.Message.TrimEnd('.')})";
        }
    }

    /// <summary>The tensors of a checkpoint under its names: the model's, their EMA and the optimizer's.</summary>
    internal static Dictionary<string, torch.Tensor> Named(
        IEnumerable<KeyValuePair<string, torch.Tensor>> model,
        IEnumerable<KeyValuePair<string, torch.Tensor>> ema,
        IEnumerable<KeyValuePair<string, torch.Tensor>> optimizer
    ) =>
        new[] { ("model", model), ("ema", ema), ("optimizer", optimizer) }
            .SelectMany(part => part.Item2.Select(t => KeyValuePair.Create($"{part.Item1}.{t.Key}", t.Value)))
            .ToDictionary();

    /// <summary>Reads and verifies; the tensors belong to the current dispose scope.</summary>
    internal static (TrainingState State, Dictionary<string, torch.Tensor> Tensors) Read(string path)
    {
        if (!File.Exists(path))
            throw new FileNotFoundException($"there is no checkpoint at '{path}'; check the path", path);
        try
        {
            var file = Safetensors.Read(path);
            if (
                !file.Metadata.TryGetValue("format", out var format)
                || format != Format
                || !file.Metadata.TryGetValue("training", out var json)
            )
                throw new InvalidDataException("it is no checkpoint of a training run");
            var state =
                JsonSerializer.Deserialize<TrainingState>(json)
                ?? throw new InvalidDataException("its header is empty");
            var tensors = file.ToDictionary(t => t.Key, t => t.Value);
            if (Digest(tensors) != state.TensorsDigest)
                throw new InvalidDataException("its numbers are not those that were written");
            return (state, tensors);
        }
        catch (Exception e)
            when (e
                    is InvalidDataException
                        or JsonException
                        or FormatException
                        or EndOfStreamException
                        or ArgumentException
                        or OverflowException
                        or NotSupportedException
            )
        {
            throw new InvalidDataException(
                $"the checkpoint '{path}' cannot be used ({Sentence.First(e.Message)}); it was left as it is: "
                    + "move it away to start over, or name another file",
                e
            );
        }
    }

    internal static Dictionary<string, torch.Tensor> ModelTensors(IReadOnlyDictionary<string, torch.Tensor> tensors) =>
        Under("model.", tensors);

    internal static Dictionary<string, torch.Tensor> Under(
        string prefix,
        IReadOnlyDictionary<string, torch.Tensor> tensors
    ) =>
        tensors
            .Where(t => t.Key.StartsWith(prefix, StringComparison.Ordinal))
            .ToDictionary(t => t.Key[prefix.Length..], t => t.Value);

    /// <summary>The first difference in names, shapes or types, or null.</summary>
    internal static string? Mismatch(
        IReadOnlyDictionary<string, torch.Tensor> saved,
        IReadOnlyDictionary<string, torch.Tensor> live
    )
    {
        foreach (var (name, tensor) in live)
        {
            if (!saved.TryGetValue(name, out var other))
                return $"it has no '{name}'";
            if (!other.shape.SequenceEqual(tensor.shape))
                return $"its '{name}' has shape ({string.Join(", ", other.shape)}), the model's "
                    + $"({string.Join(", ", tensor.shape)})";
            if (other.dtype != tensor.dtype)
                return $"its '{name}' is {other.dtype}, the model's {tensor.dtype}";
        }
        return saved.Keys.FirstOrDefault(name => !live.ContainsKey(name)) is { } extra
            ? $"the model has no '{extra}'"
            : null;
    }

    internal static void CopyInto(
        IReadOnlyDictionary<string, torch.Tensor> source,
        IReadOnlyDictionary<string, torch.Tensor> target
    )
    {
        using var noGrad = torch.no_grad();
        foreach (var (name, tensor) in target)
            tensor.copy_(source[name]);
    }

    /// <summary>SHA-256 over names, shapes, types and bytes, in order of names.</summary>
    internal static string Digest(IReadOnlyDictionary<string, torch.Tensor> tensors)
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, tensor) in tensors.OrderBy(t => t.Key, StringComparer.Ordinal))
        {
            sha.AppendData(Encoding.UTF8.GetBytes($"{name}\n{tensor.dtype}\n{string.Join(',', tensor.shape)}\n"));
            Append(sha, tensor);
        }
        return Convert.ToHexStringLower(sha.GetHashAndReset());
    }

    private static void Append(IncrementalHash sha, torch.Tensor tensor)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var flat = tensor.detach().cpu().contiguous().view(-1);
        const long block = 1 << 24;
        for (long offset = 0; offset < flat.NumberOfElements; offset += block)
        {
            using var part = flat.narrow(0, offset, Math.Min(block, flat.NumberOfElements - offset));
            sha.AppendData(part.bytes);
        }
    }
}
