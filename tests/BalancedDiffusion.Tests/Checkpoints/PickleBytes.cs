using System.IO.Compression;
using System.Text;

namespace BalancedDiffusion.Tests.Checkpoints;

/// <summary>Writes pickles by hand, one instruction a method, and the zip files around them.</summary>
internal sealed class PickleBytes
{
    private readonly MemoryStream bytes = new();

    public PickleBytes Raw(params byte[] raw)
    {
        bytes.Write(raw);
        return this;
    }

    public PickleBytes Proto() => Raw(0x80, 2);

    public PickleBytes Mark() => Raw((byte)'(');

    public PickleBytes Tuple() => Raw((byte)'t');

    public PickleBytes Dict() => Raw((byte)'}');

    public PickleBytes SetItems() => Raw((byte)'u');

    public PickleBytes Reduce() => Raw((byte)'R');

    public PickleBytes Persistent() => Raw((byte)'Q');

    public PickleBytes False() => Raw(0x89);

    public byte[] Stop() => Raw((byte)'.').bytes.ToArray();

    public PickleBytes Global(string module, string name) =>
        Raw([(byte)'c', .. Encoding.UTF8.GetBytes($"{module}\n{name}\n")]);

    public PickleBytes Text(string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        return Raw([(byte)'X', .. BitConverter.GetBytes(utf8.Length), .. utf8]);
    }

    public PickleBytes Int(int value) => Raw([(byte)'J', .. BitConverter.GetBytes(value)]);

    public PickleBytes Ints(params int[] values)
    {
        Mark();
        foreach (var value in values)
            Int(value);
        return Tuple();
    }

    /// <summary>The call that rebuilds a tensor as a view of a storage.</summary>
    public PickleBytes Tensor(string storageType, string key, int count, int offset, int[] size, int[] stride)
    {
        Global("torch._utils", "_rebuild_tensor_v2").Mark();
        Mark().Text("storage").Global("torch", storageType).Text(key).Text("cpu").Int(count).Tuple().Persistent();
        return Int(offset)
            .Ints(size)
            .Ints(stride)
            .False()
            .Global("collections", "OrderedDict")
            .Raw((byte)')')
            .Reduce()
            .Tuple()
            .Reduce();
    }

    /// <summary>A dictionary of one tensor named w.</summary>
    public static byte[] One(string storageType, int count, int offset, int[] size, int[] stride) =>
        new PickleBytes()
            .Proto()
            .Dict()
            .Mark()
            .Text("w")
            .Tensor(storageType, "0", count, offset, size, stride)
            .SetItems()
            .Stop();

    /// <summary>A checkpoint file in a new temporary folder.</summary>
    public static string Save(
        TemporaryFolder folder,
        byte[]? pickle,
        byte[]? storage = null,
        string? byteOrder = "little",
        CompressionLevel level = CompressionLevel.NoCompression
    )
    {
        var path = folder.File($"{Guid.NewGuid():N}.pth");
        using var zip = ZipFile.Open(path, ZipArchiveMode.Create);
        Add("archive/data.pkl", pickle);
        Add("archive/byteorder", byteOrder is null ? null : Encoding.ASCII.GetBytes(byteOrder));
        Add("archive/data/0", storage);
        Add("archive/version", "3\n"u8.ToArray());
        return path;

        void Add(string name, byte[]? content)
        {
            if (content is null)
                return;
            using var stream = zip.CreateEntry(name, level).Open();
            stream.Write(content);
        }
    }
}
