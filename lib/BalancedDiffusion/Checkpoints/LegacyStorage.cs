using System.Buffers.Binary;

namespace BalancedDiffusion.Checkpoints;

/// <summary>Reads a storage as torch writes it into a pickle of whole objects: a small file of the format before
/// PyTorch 1.6, with five pickles of plain data and then the numbers.</summary>
internal static class LegacyStorage
{
    private const long Version = 1001;

    public static bool Begins(ReadOnlySpan<byte> file) => file.StartsWith(Magic);

    private static ReadOnlySpan<byte> Magic =>
        [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, (byte)'.'];

    /// <summary>The storage under the key that is given, and its bytes.</summary>
    public static (PickleTensorReader.Storage Storage, ReadOnlyMemory<byte> Bytes) Read(
        ReadOnlyMemory<byte> file,
        string key
    )
    {
        if (!Begins(file.Span))
            throw Damaged();
        var offset = Magic.Length;
        if (PickleTensorReader.Read(file, ref offset) is not Version)
            throw Damaged();
        if (
            PickleTensorReader.Read(file, ref offset) is PickleTensorReader.Map system
            && system["little_endian"] is false
        )
            throw new InvalidDataException("holds numbers of a big-endian machine, which are not read here");
        if (PickleTensorReader.Read(file, ref offset) is not PickleTensorReader.Storage storage)
            throw Damaged();
        if (PickleTensorReader.Read(file, ref offset) is not List<object?> { Count: 1 })
            throw Damaged();
        if (file.Length - offset < sizeof(long))
            throw Damaged();
        var count = BinaryPrimitives.ReadInt64LittleEndian(file.Span[offset..]);
        var bytes = file[(offset + sizeof(long))..];
        if (count != storage.Count || (Int128)count * TensorBytes.Size(storage.Type) != bytes.Length)
            throw Damaged();
        return (storage with { Key = key }, bytes);
    }

    private static InvalidDataException Damaged() =>
        new("holds a storage that torch does not write; the file is damaged");
}
