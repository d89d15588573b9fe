using System.Globalization;
using System.Text.Json.Nodes;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>
/// Reads EDM's published <c>.pkl</c> files. Such a file is a pickle of whole Python objects, each with the source text
/// of its class, which Python runs when it loads the file. Nothing is run here: objects are taken as records of what
/// the file says of them, and of these only the parameters, the buffers and the arguments of the network under
/// <c>ema</c> are used.
/// </summary>
internal static class EdmPickle
{
    private const string Network = "ema";
    private const long Limit = int.MaxValue - 64;

    /// <summary>Whether a file is a bare pickle, as against a safetensors or a file of <c>torch.save</c>.</summary>
    public static bool Is(string path)
    {
        if (!File.Exists(path))
            return false;
        Span<byte> start = stackalloc byte[16];
        using var file = File.OpenRead(path);
        var read = start[..file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
        return read.Length > 9
            && read[0] == 0x80
            && read[1] is >= 2 and <= 5
            && !LegacyStorage.Begins(read)
            && !(read[8] == '{' && !read[4..8].ContainsAnyExcept((byte)0));
    }

    /// <summary>The weights under the names of a state dict, and as metadata the arguments that the network was made
    /// with and its s.</summary>
    public static NamedTensors Read(string path) =>
        CheckpointFile.Named(
            "checkpoint",
            path,
            () =>
            {
                if (new FileInfo(path).Length > Limit)
                    throw new InvalidDataException($"is a pickle of more than {Limit} bytes, which is not read here");
                var storages = new Dictionary<string, ReadOnlyMemory<byte>>();
                if (
                    PickleTensorReader.ReadInert(File.ReadAllBytes(path), storages) is not PickleTensorReader.Map root
                    || root[Network] is not PickleTensorReader.Inert network
                )
                    throw new InvalidDataException(
                        $"is a bare pickle without a network under '{Network}', so none of EDM's; nothing in it was run"
                    );
                using var scope = torch.NewDisposeScope();
                var views = new OrderedDictionary<string, PickleTensorReader.View>();
                Collect(network, "", 0, views);
                if (views.Count == 0)
                    throw new InvalidDataException($"holds no weights under '{Network}'; nothing in it was run");
                var tensors = new OrderedDictionary<string, torch.Tensor>();
                foreach (var name in views.Keys)
                    tensors.Add(name, null!);
                new StorageViews(views, new Bytes(storages)).Each(
                    _ => true,
                    (name, view) => tensors[name] = view.clone().MoveToOuterDisposeScope()
                );
                var metadata = new Dictionary<string, string>();
                var state = State(network);
                if (state?["_init_kwargs"] is PickleTensorReader.Map arguments)
                    metadata["config"] = ((JsonObject)Json(arguments)!).ToJsonString();
                if (state?["sigma_data"] is double or long)
                    metadata["sigma_data"] = Convert.ToString(state["sigma_data"], CultureInfo.InvariantCulture)!;
                foreach (var tensor in tensors.Values)
                    tensor.MoveToOuterDisposeScope();
                return new NamedTensors(tensors, metadata);
            }
        );

    /// <summary>The attributes of an object: as the source-carrying classes keep them, or as Python does.</summary>
    private static PickleTensorReader.Map? State(PickleTensorReader.Inert made) =>
        made.Name == "torch_utils.persistence._reconstruct_persistent_obj"
        && made.Arguments is [PickleTensorReader.Map meta]
            ? meta["state"] as PickleTensorReader.Map
            : made.State as PickleTensorReader.Map;

    private static void Collect(
        PickleTensorReader.Inert module,
        string prefix,
        int depth,
        OrderedDictionary<string, PickleTensorReader.View> views
    )
    {
        if (depth > 32)
            throw new InvalidDataException("nests its modules more than 32 deep; a network does not");
        if (State(module) is not { } state)
            return;
        foreach (var kind in new[] { "_parameters", "_buffers" })
        foreach (var (name, view) in Entries(state[kind]))
            if (view is PickleTensorReader.View tensor && !views.TryAdd(prefix + name, tensor))
                throw new InvalidDataException(
                    $"names the tensor {Listing.Quoted(prefix + name)} twice; the file is damaged"
                );
        foreach (var (name, child) in Entries(state["_modules"]))
            if (child is PickleTensorReader.Inert inner)
                Collect(inner, $"{prefix}{name}.", depth + 1, views);
    }

    private static IEnumerable<(string Name, object? Value)> Entries(object? map) =>
        map is PickleTensorReader.Map entries
            ? entries.Entries.Where(e => e.Key is string).Select(e => ((string)e.Key!, e.Value))
            : [];

    private static JsonNode? Json(object? value) =>
        value switch
        {
            PickleTensorReader.Map map => new JsonObject(
                Entries(map).Select(e => KeyValuePair.Create(e.Name, Json(e.Value)))
            ),
            IEnumerable<object?> items => new JsonArray([.. items.Select(Json)]),
            string text => text,
            bool truth => truth,
            long whole => whole,
            double number when double.IsFinite(number) => number,
            double number => number.ToString(CultureInfo.InvariantCulture),
            _ => null,
        };

    private sealed class Bytes(Dictionary<string, ReadOnlyMemory<byte>> storages) : IStorageBytes
    {
        public long CheckLength(string key, long count, int size) => storages[key].Length;

        public void Read(string key, torch.Tensor flat)
        {
            for (
                long offset = 0, count = flat.shape[0], size = TensorBytes.Size(flat.dtype);
                offset < count;
                offset += TensorBytes.Piece
            )
            {
                using var piece = flat.narrow(0, offset, Math.Min(TensorBytes.Piece, count - offset));
                storages[key].Span.Slice((int)(offset * size), piece.bytes.Length).CopyTo(piece.bytes);
            }
        }
    }
}
