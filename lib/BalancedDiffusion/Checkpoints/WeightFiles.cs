using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>
/// The file, or the shards that an index names, that hold the weights of one network: a safetensors, a <c>.pth</c>,
/// <c>.pt</c> or <c>.bin</c> of <c>torch.save</c>, or an <c>.index.json</c> of either. Only headers are read until
/// <see cref="LoadInto"/> streams the numbers into a network; no code of a pickle is ever run.
/// </summary>
public sealed class WeightFiles
{
    private readonly string name;

    private WeightFiles(string path, IReadOnlyList<string> files, IReadOnlyList<TensorHeader> tensors) =>
        (Path, name, Files, Tensors) = (path, System.IO.Path.GetFileName(path), files, tensors);

    /// <summary>What was opened: the file, or the index of the shards, as an absolute path.</summary>
    public string Path { get; }

    /// <summary>The files that hold tensors, as absolute paths.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>Every tensor there is, without its numbers.</summary>
    public IReadOnlyList<TensorHeader> Tensors { get; }

    /// <summary>Reads and checks the headers of a file, or of every shard that an index names.</summary>
    /// <param name="path">The file or the index; which format it has is seen from its first bytes.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, cut off or asks to run code; a shard is missing, lies
    /// elsewhere, or does not hold what the index says. One sentence names the file and what to do.</exception>
    public static WeightFiles Open(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var full = System.IO.Path.GetFullPath(path);
        if (Directory.Exists(full))
            throw new InvalidDataException(
                $"'{System.IO.Path.GetFileName(full)}' is a folder; name a file of weights in it, or open it "
                    + "as a DiffusersFolder"
            );
        if (!WeightIndex.Is(full))
        {
            using var file = CheckpointFile.Open(full);
            return new WeightFiles(full, [full], file.Headers);
        }
        var shards = WeightIndex.Read(full);
        var files = shards.Values.Distinct().Select(file => WeightIndex.Beside(full, file)).ToList();
        var tensors = files.SelectMany(Headers).ToList();
        CheckIndex(full, shards, tensors);
        return new WeightFiles(full, files, tensors);
    }

    /// <summary>
    /// Streams the numbers into the parameters and buffers of a network, piece after piece, each converted to the type
    /// and moved to the device that it has there. Everything is checked first, the numbers too; where anything is
    /// wrong, all of it is told in one message and the network stays as it was.
    /// </summary>
    /// <param name="network">The network, on any device, in any floating-point type.</param>
    /// <param name="nameInNetwork">The network's name for a tensor of the file, or null to leave that tensor out; by
    /// default the names are the same.</param>
    /// <param name="mayLack">Which of the network's tensors the file need not hold, since the network computes them; by
    /// default none.</param>
    /// <exception cref="InvalidDataException">The file lacks tensors, holds others, or holds them in other shapes or
    /// types; a number is NaN, infinite, or too large for the network's type; a file is damaged.</exception>
    public void LoadInto(
        torch.nn.Module network,
        Func<string, string?>? nameInNetwork = null,
        Func<string, bool>? mayLack = null
    )
    {
        ArgumentNullException.ThrowIfNull(network);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var targets = Matched(network.state_dict(), nameInNetwork ?? (n => n), mayLack ?? (_ => false));
        CheckNumbers(targets);
        torch.Tensor? staged = null;
        Stream(
            targets,
            (tensor, offset, piece) =>
            {
                using var step = torch.NewDisposeScope();
                var (target, count) = (targets[tensor.Name], piece.shape[0]);
                // A tensor laid out otherwise (channels last) is filled by way of one that lies in the file's order.
                if (offset == 0 && !target.is_contiguous())
                    staged = torch
                        .empty(target.shape, dtype: target.dtype, device: target.device)
                        .MoveToOuterDisposeScope();
                (staged ?? target).view(-1).narrow(0, offset, count).copy_(piece);
                if (staged is null || offset + count < tensor.Elements)
                    return;
                target.copy_(staged);
                staged.Dispose();
                staged = null;
            }
        );
    }

    private static IReadOnlyList<TensorHeader> Headers(string path)
    {
        using var file = CheckpointFile.Open(path);
        return file.Headers;
    }

    private static void CheckIndex(string index, IReadOnlyDictionary<string, string> shards, List<TensorHeader> tensors)
    {
        var name = System.IO.Path.GetFileName(index);
        var held = new Dictionary<string, string>();
        foreach (var tensor in tensors)
            if (!held.TryAdd(tensor.Name, System.IO.Path.GetFileName(tensor.File)))
                throw new InvalidDataException(
                    $"the shards of '{name}' hold {Listing.Quoted(tensor.Name)} twice, in "
                        + $"{Listing.Quoted(held[tensor.Name])} and "
                        + $"{Listing.Quoted(System.IO.Path.GetFileName(tensor.File))}; fetch them again"
                );
        var faults = new List<string>();
        if (
            shards.Where(s => held.GetValueOrDefault(s.Key) != s.Value).Select(s => s.Key).ToList() is
            { Count: > 0 } lacking
        )
            faults.Add($"the files that it names do not hold {Listing.Of(lacking)}");
        if (held.Keys.Where(n => !shards.ContainsKey(n)).ToList() is { Count: > 0 } unnamed)
            faults.Add($"they hold {Listing.Of(unnamed)}, which it does not name");
        if (faults.Count > 0)
            throw new InvalidDataException(
                $"the index '{name}' does not belong to its shards: {string.Join("; ", faults)}; fetch them "
                    + "all from one place"
            );
    }

    /// <summary>The network's tensor for each of the file's, once all of them fit.</summary>
    private Dictionary<string, torch.Tensor> Matched(
        IDictionary<string, torch.Tensor> wanted,
        Func<string, string?> nameInNetwork,
        Func<string, bool> mayLack
    )
    {
        var (targets, seen) = (new Dictionary<string, torch.Tensor>(), new Dictionary<string, string>());
        var (unexpected, wrong) = (new List<string>(), new List<string>());
        foreach (var tensor in Tensors)
        {
            if (nameInNetwork(tensor.Name) is not { } inside)
                continue;
            if (!wanted.TryGetValue(inside, out var target))
                unexpected.Add(tensor.Name);
            else if (!seen.TryAdd(inside, tensor.Name))
                wrong.Add(
                    $"{Listing.Quoted(tensor.Name)} and {Listing.Quoted(seen[inside])} are both "
                        + $"{Listing.Quoted(inside)} of the network"
                );
            else if (!tensor.Shape.SequenceEqual(target.shape))
                wrong.Add(
                    $"{Listing.Quoted(tensor.Name)} must have shape {Listing.Shape(target.shape)}, was "
                        + $"{Listing.Shape(tensor.Shape)}"
                );
            else if (target.is_floating_point() ? !IsFloating(tensor.Type) : tensor.Type != target.dtype)
                wrong.Add(
                    $"{Listing.Quoted(tensor.Name)} must hold "
                        + $"{(target.is_floating_point() ? "floating-point numbers" : target.dtype)}, was "
                        + $"{tensor.Type}"
                );
            else
                targets.Add(tensor.Name, target);
        }
        var faults = new List<string>();
        if (wanted.Keys.Where(n => !seen.ContainsKey(n) && !mayLack(n)).ToList() is { Count: > 0 } missing)
            faults.Add($"missing {Listing.Of(missing)}");
        if (unexpected.Count > 0)
            faults.Add($"unexpected {Listing.Of(unexpected)}");
        if (wrong.Count > 0)
            faults.Add(Listing.Some(wrong));
        if (faults.Count > 0)
            throw new InvalidDataException(
                $"the weights in '{name}' do not fit the network: {string.Join("; ", faults)}; nothing was "
                    + "changed, so take the file and the network from one model"
            );
        return targets;
    }

    private void CheckNumbers(Dictionary<string, torch.Tensor> targets)
    {
        var (bad, seen) = (new List<string>(), new HashSet<string>());
        Stream(
            targets,
            (tensor, _, piece) =>
            {
                if (!FiniteNumbers.Fit(piece.bytes, tensor.Type, targets[tensor.Name].dtype) && seen.Add(tensor.Name))
                    bad.Add(tensor.Name);
            }
        );
        if (bad.Count > 0)
            throw new InvalidDataException(
                $"the weights in '{name}' hold NaN, infinity or numbers too large for the network's type in "
                    + $"{Listing.Of(bad)}; nothing was changed, so fetch the file again or build the network in "
                    + "float32"
            );
    }

    private void Stream(Dictionary<string, torch.Tensor> targets, TensorPiece see)
    {
        foreach (var path in Files)
        {
            using var file = CheckpointFile.Open(path);
            if (!file.Headers.SequenceEqual(Tensors.Where(t => t.File == path), HeaderComparer.Same))
                throw new InvalidDataException(
                    $"the file '{System.IO.Path.GetFileName(path)}' was changed while it was read; try again"
                );
            file.Read(tensor => targets.ContainsKey(tensor.Name), see);
        }
    }

    internal static bool IsFloating(torch.ScalarType type) =>
        type
            is torch.ScalarType.Float16
                or torch.ScalarType.BFloat16
                or torch.ScalarType.Float32
                or torch.ScalarType.Float64;

    private sealed class HeaderComparer : IEqualityComparer<TensorHeader>
    {
        public static readonly HeaderComparer Same = new();

        public bool Equals(TensorHeader? x, TensorHeader? y) =>
            x!.Name == y!.Name && x.Type == y.Type && x.Shape.SequenceEqual(y.Shape);

        public int GetHashCode(TensorHeader tensor) => tensor.Name.GetHashCode(StringComparison.Ordinal);
    }
}
