using System.Buffers.Binary;
using BalancedDiffusion.Checkpoints;

namespace BalancedDiffusion.Runtime;

/// <summary>The checksum that zip files carry (polynomial 0xEDB88320), eight bytes a step.</summary>
internal static class Crc32
{
    private static readonly uint[][] Tables = Build();

    private static uint[][] Build()
    {
        var tables = new uint[8][];
        for (var t = 0; t < 8; t++)
            tables[t] = new uint[256];
        for (var i = 0u; i < 256; i++)
        {
            var c = i;
            for (var bit = 0; bit < 8; bit++)
                c = (c & 1) != 0 ? (c >> 1) ^ 0xEDB88320u : c >> 1;
            tables[0][i] = c;
        }
        for (var t = 1; t < 8; t++)
        for (var i = 0; i < 256; i++)
            tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 0xFF];
        return tables;
    }

    /// <summary>Continues a checksum (0 at the start) over more bytes.</summary>
    public static uint Append(uint checksum, ReadOnlySpan<byte> bytes)
    {
        var c = ~checksum;
        while (bytes.Length >= 8)
        {
            var low = BinaryPrimitives.ReadUInt32LittleEndian(bytes) ^ c;
            var high = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]);
            c =
                Tables[7][low & 0xFF]
                ^ Tables[6][(low >> 8) & 0xFF]
                ^ Tables[5][(low >> 16) & 0xFF]
                ^ Tables[4][low >> 24]
                ^ Tables[3][high & 0xFF]
                ^ Tables[2][(high >> 8) & 0xFF]
                ^ Tables[1][(high >> 16) & 0xFF]
                ^ Tables[0][high >> 24];
            bytes = bytes[8..];
        }
        foreach (var b in bytes)
            c = (c >> 8) ^ Tables[0][(c ^ b) & 0xFF];
        return ~c;
    }
}
