using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>The bytes of the storages that the tensors of a pickle are views of.</summary>
internal interface IStorageBytes
{
    /// <summary>Checks that a storage is as long as the pickle says, and that the file can hold that much; gives the
    /// length in bytes.</summary>
    long CheckLength(string key, long count, int size);

    /// <summary>Fills a flat tensor with a whole storage.</summary>
    void Read(string key, torch.Tensor flat);
}

/// <summary>The tensors of a pickle: strided views of storages, all checked against the file before any storage is
/// read. Messages begin with a verb, for the caller to name the file.</summary>
internal sealed class StorageViews
{
    private const long SmallElements = 1 << 24;

    private readonly OrderedDictionary<string, PickleTensorReader.View> views;
    private readonly IStorageBytes bytes;

    public StorageViews(OrderedDictionary<string, PickleTensorReader.View> views, IStorageBytes bytes)
    {
        (this.views, this.bytes) = (views, bytes);
        var storages = new Dictionary<string, PickleTensorReader.Storage>();
        Int128 stored = 0,
            asked = 0;
        foreach (var (name, view) in views)
        {
            var storage = view.Storage;
            if (storages.TryGetValue(storage.Key, out var known))
            {
                if (known != storage)
                    throw new InvalidDataException(
                        $"describes the storage {Listing.Quoted(storage.Key)} in two ways; the file is damaged"
                    );
            }
            else
            {
                stored += bytes.CheckLength(storage.Key, storage.Count, TensorBytes.Size(storage.Type));
                storages.Add(storage.Key, storage);
            }
            asked += Elements(name, view) * TensorBytes.Size(storage.Type);
        }
        if (asked > 16 * stored + 16 * SmallElements)
            throw new InvalidDataException(
                $"asks for {asked} bytes of tensors out of {stored} stored bytes; the file is damaged or hostile"
            );
    }

    /// <summary>Every tensor, in the pickle's order.</summary>
    public IEnumerable<TensorHeader> Headers(string file) =>
        views.Select(v => new TensorHeader(v.Key, v.Value.Storage.Type, v.Value.Size, file));

    /// <summary>Shows the wanted tensors as views of their storages, one storage at a time.</summary>
    public void Each(Func<string, bool> wanted, Action<string, torch.Tensor> see)
    {
        foreach (var group in views.Where(v => wanted(v.Key)).GroupBy(v => v.Value.Storage))
        {
            using var scope = torch.NewDisposeScope();
            var storage = group.Key;
            var flat = torch.empty(storage.Count, dtype: storage.Type);
            bytes.Read(storage.Key, flat);
            if (storage.Type == torch.ScalarType.Bool && !TensorBytes.AreBooleans(flat))
                throw new InvalidDataException(
                    $"holds a boolean in storage {Listing.Quoted(storage.Key)} that is neither 0 nor 1; the "
                        + "file is damaged"
                );
            foreach (var (name, view) in group)
                see(
                    name,
                    view.Size.Contains(0)
                        ? torch.empty(view.Size, dtype: storage.Type)
                        : flat.as_strided(view.Size, view.Stride, view.Offset)
                );
        }
    }

    /// <summary>The number of elements of a view, once it is known to lie inside its storage.</summary>
    private static Int128 Elements(string name, PickleTensorReader.View view)
    {
        if (view.Size.Length != view.Stride.Length || view.Size.Length > 64)
            throw new InvalidDataException(
                $"gives the tensor {Listing.Quoted(name)} {view.Size.Length} sizes and {view.Stride.Length} "
                    + "strides; the file is damaged"
            );
        if (view.Offset < 0 || view.Size.Any(n => n < 0) || view.Stride.Any(n => n < 0))
            throw new InvalidDataException(
                $"gives the tensor {Listing.Quoted(name)} a negative size, stride or offset; the file is damaged"
            );
        Int128 elements = 1,
            last = view.Offset;
        foreach (var (size, stride) in view.Size.Zip(view.Stride))
        {
            elements *= size;
            last += (Int128)Math.Max(0, size - 1) * stride;
            if (elements > long.MaxValue || last > long.MaxValue)
                break;
        }
        if (view.Size.Contains(0))
            return 0;
        if (last >= view.Storage.Count)
            throw new InvalidDataException(
                $"has a tensor {Listing.Quoted(name)} of shape {Listing.Shape(view.Size)} that reaches beyond "
                    + $"its storage of {view.Storage.Count} elements; the file is damaged"
            );
        if (elements > Int128.Max(view.Storage.Count, SmallElements))
            throw new InvalidDataException(
                $"has a tensor {Listing.Quoted(name)} of shape {Listing.Shape(view.Size)} repeated out of "
                    + $"{view.Storage.Count} elements; save it with .contiguous()"
            );
        return elements;
    }
}
