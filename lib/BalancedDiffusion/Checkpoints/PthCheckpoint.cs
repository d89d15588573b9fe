using System.Globalization;
using System.IO.Compression;
using System.Text;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>
/// Reads what <c>torch.save</c> wrote (the zip format of PyTorch 1.6 and later) without running the pickle inside: anything
/// that is not plain tensors, numbers, texts, lists and dictionaries is refused with one sentence.
/// </summary>
public static class PthCheckpoint
{
    private const int PickleLimit = 16 << 20;
    private const int NameLimit = 200_000;
    private const long SmallElements = 1 << 24;

    /// <summary>
    /// Reads every tensor of a state dict. Nested dictionaries and lists are joined by dots (<c>model.encoder.0.weight</c>); numbers, texts
    /// and other non-tensors are left out. Views of a shared storage and transposed views come back as contiguous tensors of their own.
    /// </summary>
    /// <param name="path">The <c>.pth</c> or <c>.pt</c> file.</param>
    /// <returns>CPU tensors by name, in the file's order, in the types they were saved in (f16, bf16, f32, f64, i8 to i64, u8, bool).</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged, cut off, in another format, or asks to run code.</exception>
    public static NamedTensors Read(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (!File.Exists(path)) throw new FileNotFoundException($"there is no checkpoint at '{path}'; check the path or fetch the file first", path);
        using var scope = torch.NewDisposeScope();
        using var file = File.OpenRead(path);
        try
        {
            RefuseOtherFormats(file);
            using var zip = Open(file);
            var archive = new Archive(zip, file.Length);
            var views = new OrderedDictionary<string, PickleTensorReader.View>();
            Flatten(PickleTensorReader.Read(archive.Bytes("data.pkl", PickleLimit)), "", 0, views, new Budget());
            if (views.Count == 0) throw new InvalidDataException("holds no tensors; save a state dict with torch.save(model.state_dict(), path)");
            return new NamedTensors(Materialize(views, archive));
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"the checkpoint '{Path.GetFileName(path)}' {e.Message}", e);
        }
        catch (Exception e) when (e is EndOfStreamException or NotSupportedException or ArgumentException or OverflowException or IndexOutOfRangeException)
        {
            throw new InvalidDataException($"the checkpoint '{Path.GetFileName(path)}' is damaged ({Listing.Printable(Sentence.First(e.Message))}); fetch the file again", e);
        }
    }

    private static void RefuseOtherFormats(FileStream file)
    {
        var start = new byte[(int)Math.Min(16, file.Length)];
        file.ReadExactly(start);
        file.Position = 0;
        if (start.Length == 0) throw new InvalidDataException("is empty; fetch the file again");
        if (start.AsSpan().StartsWith("PK"u8)) return;
        if (start.AsSpan().StartsWith((ReadOnlySpan<byte>)[0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9]))
            throw new InvalidDataException("is in the format of PyTorch before 1.6, which is not read here; load it in PyTorch and save it again with torch.save");
        if (start[0] == 0x80) throw new InvalidDataException("is a bare pickle, not a torch checkpoint; it was refused, nothing was run");
        throw new InvalidDataException($"is not a torch checkpoint: it begins with '{Listing.Printable(Encoding.Latin1.GetString(start))}', not as a zip file does; fetch the file again");
    }

    private static ZipArchive Open(FileStream file)
    {
        try
        {
            return new ZipArchive(file, ZipArchiveMode.Read, leaveOpen: true);
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or ArgumentException or NotSupportedException or IOException)
        {
            throw new InvalidDataException("is cut off or damaged: the list of contents at the end of the zip file cannot be read; fetch the file again", e);
        }
    }

    /// <summary>What the flattening may still spend, so that a small file with shared parts cannot unfold without end.</summary>
    private sealed class Budget
    {
        public int Left = NameLimit;
    }

    private static void Flatten(object? value, string name, int depth, OrderedDictionary<string, PickleTensorReader.View> views, Budget budget)
    {
        if (depth > 32) throw new InvalidDataException("nests its dictionaries more than 32 deep; a state dict does not");
        if (--budget.Left < 0) throw new InvalidDataException($"holds more than {NameLimit} entries; a state dict does not");
        switch (value)
        {
            case PickleTensorReader.View view:
                if (!views.TryAdd(name, view)) throw new InvalidDataException($"names the tensor {Listing.Quoted(name)} twice; the file is damaged");
                break;
            case PickleTensorReader.Map map:
                foreach (var (key, entry) in map.Entries)
                {
                    var part = key switch
                    {
                        string text => text,
                        long number => number.ToString(CultureInfo.InvariantCulture),
                        _ => throw new InvalidDataException($"has a dictionary under {Listing.Quoted(name)} whose keys are neither texts nor whole numbers"),
                    };
                    Flatten(entry, depth == 0 ? part : Joined(name, part), depth + 1, views, budget);
                }
                break;
            case List<object?> list:
                Items(list);
                break;
            case object?[] tuple:
                Items(tuple);
                break;
        }

        void Items(IReadOnlyList<object?> items)
        {
            for (var i = 0; i < items.Count; i++)
            {
                var part = i.ToString(CultureInfo.InvariantCulture);
                Flatten(items[i], depth == 0 ? part : Joined(name, part), depth + 1, views, budget);
            }
        }
    }

    private static string Joined(string name, string part) => name.Length + part.Length > 10_000
        ? throw new InvalidDataException("has a name of more than 10,000 characters; the file is damaged") : $"{name}.{part}";

    private static OrderedDictionary<string, torch.Tensor> Materialize(OrderedDictionary<string, PickleTensorReader.View> views, Archive archive)
    {
        archive.CheckByteOrder();
        var storages = new Dictionary<string, (PickleTensorReader.Storage Storage, long Bytes)>();
        Int128 stored = 0, asked = 0;
        foreach (var (name, view) in views)
        {
            var storage = view.Storage;
            if (storages.TryGetValue(storage.Key, out var known))
            {
                if (known.Storage != storage) throw new InvalidDataException($"describes the storage {Listing.Quoted(storage.Key)} in two ways; the file is damaged");
            }
            else
            {
                var bytes = archive.CheckLength($"data/{storage.Key}", storage.Count, Size(storage.Type));
                storages.Add(storage.Key, (storage, bytes));
                stored += bytes;
            }
            asked += Elements(name, view) * Size(storage.Type);
        }
        if (asked > 16 * stored + 16 * SmallElements)
            throw new InvalidDataException($"asks for {asked} bytes of tensors out of {stored} stored bytes; the file is damaged or hostile");

        var result = new OrderedDictionary<string, torch.Tensor>(views.Count);
        foreach (var name in views.Keys) result.Add(name, null!);
        foreach (var group in views.GroupBy(v => v.Value.Storage.Key))
        {
            // One storage at a time, so that the peak is the tensors and one storage.
            var storage = storages[group.Key].Storage;
            using var flat = torch.empty(storage.Count, dtype: storage.Type);
            archive.Read($"data/{storage.Key}", flat);
            if (storage.Type == torch.ScalarType.Bool && !TensorBytes.AreBooleans(flat))
                throw new InvalidDataException($"holds a boolean in storage {Listing.Quoted(storage.Key)} that is neither 0 nor 1; the file is damaged");
            foreach (var (name, view) in group)
            {
                if (view.Size.Contains(0))
                {
                    result[name] = torch.empty(view.Size, dtype: storage.Type);
                    continue;
                }
                using var strided = flat.as_strided(view.Size, view.Stride, view.Offset);
                result[name] = torch.empty(view.Size, dtype: storage.Type);
                result[name].copy_(strided);
            }
        }
        foreach (var tensor in result.Values) tensor.MoveToOuterDisposeScope();
        return result;
    }

    /// <summary>The number of elements of a view, once it is known to lie inside its storage.</summary>
    private static Int128 Elements(string name, PickleTensorReader.View view)
    {
        if (view.Size.Length != view.Stride.Length || view.Size.Length > 64)
            throw new InvalidDataException($"gives the tensor {Listing.Quoted(name)} {view.Size.Length} sizes and {view.Stride.Length} strides; the file is damaged");
        if (view.Offset < 0 || view.Size.Any(n => n < 0) || view.Stride.Any(n => n < 0))
            throw new InvalidDataException($"gives the tensor {Listing.Quoted(name)} a negative size, stride or offset; the file is damaged");
        Int128 elements = 1, last = view.Offset;
        foreach (var (size, stride) in view.Size.Zip(view.Stride))
        {
            elements *= size;
            last += (Int128)Math.Max(0, size - 1) * stride;
            if (elements > long.MaxValue || last > long.MaxValue) break;
        }
        if (view.Size.Contains(0)) return 0;
        if (last >= view.Storage.Count)
            throw new InvalidDataException($"has a tensor {Listing.Quoted(name)} of shape {Listing.Shape(view.Size)} that reaches beyond its storage of {view.Storage.Count} elements; the file is damaged");
        if (elements > Int128.Max(view.Storage.Count, SmallElements))
            throw new InvalidDataException($"has a tensor {Listing.Quoted(name)} of shape {Listing.Shape(view.Size)} repeated out of {view.Storage.Count} elements; save it with .contiguous()");
        return elements;
    }

    private static int Size(torch.ScalarType type) => type switch
    {
        torch.ScalarType.Float64 or torch.ScalarType.Int64 => 8,
        torch.ScalarType.Float32 or torch.ScalarType.Int32 => 4,
        torch.ScalarType.Float16 or torch.ScalarType.BFloat16 or torch.ScalarType.Int16 => 2,
        _ => 1,
    };

    /// <summary>The entries under the one top folder of the zip file, read with their checksums.</summary>
    private sealed class Archive
    {
        private readonly Dictionary<string, ZipArchiveEntry> entries = [];
        private readonly long fileLength;

        public Archive(ZipArchive zip, long fileLength)
        {
            this.fileLength = fileLength;
            var pickles = zip.Entries.Where(e => e.FullName.EndsWith("/data.pkl", StringComparison.Ordinal) && e.FullName.Count(c => c == '/') == 1).ToList();
            if (pickles.Count != 1)
                throw new InvalidDataException(pickles.Count == 0 ? "is a zip file without data.pkl, so not a state dict saved by torch.save" : "holds data.pkl more than once; the file is damaged");
            var folder = pickles[0].FullName[..^"data.pkl".Length];
            foreach (var entry in zip.Entries.Where(e => e.FullName.StartsWith(folder, StringComparison.Ordinal)))
                if (!entries.TryAdd(entry.FullName[folder.Length..], entry))
                    throw new InvalidDataException($"holds {Listing.Quoted(entry.FullName)} more than once; the file is damaged");
        }

        public void CheckByteOrder()
        {
            if (!entries.ContainsKey("byteorder")) return; // written since PyTorch 2.1
            var order = Encoding.Latin1.GetString(Bytes("byteorder", 16));
            if (order == "little") return;
            throw new InvalidDataException(order == "big" ? "was written on a big-endian machine, which is not read here; load it in PyTorch there and save it as safetensors"
                : $"has byte order {Listing.Quoted(order)}, must be 'little'; the file is damaged");
        }

        /// <summary>Checks that the entry is as long as the storage, and that the file can hold that much; gives the length in bytes.</summary>
        public long CheckLength(string name, long count, int size)
        {
            var entry = Entry(name);
            if (count < 0 || (Int128)count * size != entry.Length)
                throw new InvalidDataException($"says that {Listing.Quoted(name)} holds {count} elements of {size} bytes, but it has {entry.Length} bytes; the file is cut off or damaged");
            RefuseBomb(entry);
            return entry.Length;
        }

        public byte[] Bytes(string name, int limit)
        {
            var entry = Entry(name);
            if (entry.Length > limit) throw new InvalidDataException($"has a {Listing.Quoted(name)} of {entry.Length} bytes, more than {limit}; a state dict does not");
            RefuseBomb(entry);
            var bytes = new byte[entry.Length];
            using var stream = entry.Open();
            stream.ReadExactly(bytes);
            Finish(entry, stream, Crc32.Append(0, bytes));
            return bytes;
        }

        public void Read(string name, torch.Tensor flat)
        {
            var entry = Entry(name);
            var checksum = 0u;
            using var stream = entry.Open();
            TensorBytes.Fill(flat, stream, piece => checksum = Crc32.Append(checksum, piece));
            Finish(entry, stream, checksum);
        }

        private static void Finish(ZipArchiveEntry entry, Stream stream, uint checksum)
        {
            if (stream.ReadByte() >= 0 || checksum != entry.Crc32)
                throw new InvalidDataException($"is damaged: the checksum of {Listing.Quoted(entry.FullName)} does not match; fetch the file again");
        }

        private void RefuseBomb(ZipArchiveEntry entry)
        {
            // Deflate cannot shrink more than 1032-fold.
            if (entry.Length < 0 || entry.CompressedLength < 0 || entry.CompressedLength > fileLength || entry.Length / 1040 > entry.CompressedLength)
                throw new InvalidDataException($"says that {Listing.Quoted(entry.FullName)} has {entry.Length} bytes, which a file of {fileLength} bytes cannot hold; it is cut off or damaged");
        }

        private ZipArchiveEntry Entry(string name) => entries.TryGetValue(name, out var entry) ? entry
            : throw new InvalidDataException($"lacks {Listing.Quoted(name)}; the file is cut off or damaged");
    }
}
