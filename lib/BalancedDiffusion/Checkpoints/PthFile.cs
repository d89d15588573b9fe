using System.Globalization;
using System.IO.Compression;
using System.Text;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>An open file of <c>torch.save</c> in the zip format of PyTorch 1.6 and later; its pickle is read as data
/// and never run.</summary>
internal sealed class PthFile : ITensorFile
{
    private const int PickleLimit = 16 << 20;
    private const int NameLimit = 200_000;

    private readonly string path;
    private readonly FileStream file;
    private readonly ZipArchive? zip;
    private readonly StorageViews views;

    public PthFile(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (!File.Exists(path))
            throw new FileNotFoundException(
                $"there is no checkpoint at '{path}'; check the path or fetch the file first",
                path
            );
        this.path = Path.GetFullPath(path);
        file = File.OpenRead(path);
        try
        {
            (zip, views) = CheckpointFile.Named(
                "checkpoint",
                path,
                () =>
                {
                    RefuseOtherFormats(file);
                    var opened = Open(file);
                    var archive = new PthArchive(opened, file.Length);
                    var found = new OrderedDictionary<string, PickleTensorReader.View>();
                    Flatten(
                        PickleTensorReader.Read(archive.Bytes("data.pkl", PickleLimit)),
                        "",
                        0,
                        found,
                        new Budget()
                    );
                    if (found.Count == 0)
                        throw new InvalidDataException(
                            "holds no tensors; save a state dict with torch.save(model.state_dict(), path)"
                        );
                    archive.CheckByteOrder();
                    return (opened, new StorageViews(found, archive));
                }
            );
        }
        catch
        {
            file.Dispose();
            throw;
        }
        Headers = [.. views.Headers(this.path)];
    }

    public IReadOnlyList<TensorHeader> Headers { get; }

    public void Read(Func<TensorHeader, bool> wanted, TensorPiece see)
    {
        var headers = Headers.ToDictionary(h => h.Name);
        Each(
            name => wanted(headers[name]),
            (name, view) =>
            {
                var flat = view.contiguous().view(-1);
                for (long offset = 0, count = flat.shape[0]; offset < count; offset += TensorBytes.Piece)
                {
                    using var piece = flat.narrow(0, offset, Math.Min(TensorBytes.Piece, count - offset));
                    see(headers[name], offset, piece);
                }
            }
        );
    }

    /// <summary>Shows the wanted tensors as views of their storages, one storage at a time.</summary>
    public void Each(Func<string, bool> wanted, Action<string, torch.Tensor> see) =>
        CheckpointFile.Named(
            "checkpoint",
            path,
            () =>
            {
                views.Each(wanted, see);
                return true;
            }
        );

    public void Dispose()
    {
        zip?.Dispose();
        file.Dispose();
    }

    private static void RefuseOtherFormats(FileStream file)
    {
        var start = new byte[(int)Math.Min(16, file.Length)];
        file.ReadExactly(start);
        file.Position = 0;
        if (start.Length == 0)
            throw new InvalidDataException("is empty; fetch the file again");
        if (start.AsSpan().StartsWith("PK"u8))
            return;
        if (start.AsSpan().StartsWith((ReadOnlySpan<byte>)[0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9]))
            throw new InvalidDataException(
                "is in the format of PyTorch before 1.6, which is not read here; load it in PyTorch and save "
                    + "it again with torch.save"
            );
        if (start[0] == 0x80)
            throw new InvalidDataException("is a bare pickle, not a torch checkpoint; it was refused, nothing was run");
        throw new InvalidDataException(
            "is not a torch checkpoint: it begins with "
                + $"'{Listing.Printable(Encoding.Latin1.GetString(start))}', not as a zip file does; fetch the file "
                + "again"
        );
    }

    private static ZipArchive Open(FileStream file)
    {
        try
        {
            return new ZipArchive(file, ZipArchiveMode.Read, leaveOpen: true);
        }
        catch (Exception e)
            when (e
                    is InvalidDataException
                        or EndOfStreamException
                        or ArgumentException
                        or NotSupportedException
                        or IOException
            )
        {
            throw new InvalidDataException(
                "is cut off or damaged: the list of contents at the end of the zip file cannot be read; "
                    + "fetch the file again",
                e
            );
        }
    }

    /// <summary>What the flattening may still spend, so that a small file with shared parts cannot unfold without
    /// end.</summary>
    private sealed class Budget
    {
        public int Left = NameLimit;
    }

    private static void Flatten(
        object? value,
        string name,
        int depth,
        OrderedDictionary<string, PickleTensorReader.View> views,
        Budget budget
    )
    {
        if (depth > 32)
            throw new InvalidDataException("nests its dictionaries more than 32 deep; a state dict does not");
        if (--budget.Left < 0)
            throw new InvalidDataException($"holds more than {NameLimit} entries; a state dict does not");
        switch (value)
        {
            case PickleTensorReader.View view:
                if (!views.TryAdd(name, view))
                    throw new InvalidDataException(
                        $"names the tensor {Listing.Quoted(name)} twice; the file is damaged"
                    );
                break;
            case PickleTensorReader.Map map:
                foreach (var (key, entry) in map.Entries)
                {
                    var part = key switch
                    {
                        string text => text,
                        long number => number.ToString(CultureInfo.InvariantCulture),
                        _ => throw new InvalidDataException(
                            $"has a dictionary under {Listing.Quoted(name)} whose keys are neither texts nor "
                                + "whole numbers"
                        ),
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

    private static string Joined(string name, string part) =>
        name.Length + part.Length > 10_000
            ? throw new InvalidDataException("has a name of more than 10,000 characters; the file is damaged")
            : $"{name}.{part}";
}
