using System.IO.Compression;
using BalancedDiffusion.Datasets;
using FsCheck;
using FsCheck.Fluent;

namespace BalancedDiffusion.Tests.Datasets;

public class IdxTests
{
    // 2 × 3 bytes
    private static readonly byte[] Small = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 10, 11, 12, 13, 14, 15];

    [Fact]
    public void AHandWrittenFileIsReadPlainAndPacked()
    {
        using var scratch = new ScratchFolder();
        foreach (var path in new[] { scratch.Write("plain", Small), scratch.Write("packed", Pack(Small)) })
        {
            var array = IdxReader.Read(path, 2);
            Assert.Equal([2, 3], array.Dims);
            Assert.Equal([10, 11, 12, 13, 14, 15], array.Data);
            Assert.Equal([2, 3], IdxReader.ReadDims(path));
        }
    }

    [Fact]
    public void WhatIsWrittenIsTheFormatsBytesAndIsReadBack()
    {
        using var scratch = new ScratchFolder();
        IdxWriter.Write(scratch["a/plain"], [2, 3], [10, 11, 12, 13, 14, 15]);
        Assert.Equal(Small, File.ReadAllBytes(scratch["a/plain"]));

        Prop.ForAll(
                Gen.Choose(1, 5).ArrayOf().Where(d => d.Length is >= 1 and <= 4).ToArbitrary(),
                Gen.Choose(0, 255).ToArbitrary(),
                (dims, seed) =>
                {
                    var data = new byte[dims.Aggregate(1, (a, b) => a * b)];
                    new Random(seed).NextBytes(data);
                    foreach (var name in new[] { "x", "x.gz" })
                    {
                        IdxWriter.Write(scratch[name], dims, data);
                        var back = IdxReader.Read(scratch[name], dims.Length);
                        Assert.Equal(dims, back.Dims);
                        Assert.Equal(data, back.Data);
                    }
                }
            )
            .QuickCheckThrowOnFailure();
        Assert.Equal(0x1f, File.ReadAllBytes(scratch["x.gz"])[0]);
        Assert.DoesNotContain(scratch.Files, f => f.EndsWith(".tmp", StringComparison.Ordinal));
    }

    public static TheoryData<string, byte[]> Malformed =>
        new()
        {
            { "too short", [] },
            { "too short", [0, 0, 8] },
            { "begins with 0x01000802", [1, .. Small[1..]] },
            { "type 0x0d", [0, 0, 0x0d, .. Small[3..]] },
            { "has 0 dimensions", [0, 0, 8, 0, .. Small[4..]] },
            { "has 5 dimensions", [0, 0, 8, 5, .. Small[4..]] },
            { "has 3 dimensions, expected 2", [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 7] },
            { "ends inside its header", Small[..9] },
            { "length 0 in dimension 2", [.. Small[..8], 0, 0, 0, 0] },
            { "length 4294967295 in dimension 1", [0, 0, 8, 2, 255, 255, 255, 255, .. Small[8..]] },
            { "more values", [0, 0, 8, 2, 127, 255, 255, 255, 127, 255, 255, 255, 1] },
            { "cut short", [0, 0, 8, 2, 0, 1, 0, 0, 0, 0, 16, 0, 1] },
            { "ends after 5 of the 6", Small[..^1] },
            { "goes on after the 6", [.. Small, 0] },
        };

    [Theory]
    [MemberData(nameof(Malformed))]
    public void AMalformedFileIsRefusedWithOneSentenceThatNamesItPlainAndPacked(string expected, byte[] content)
    {
        using var scratch = new ScratchFolder();
        foreach (var path in new[] { scratch.Write("plain", content), scratch.Write("packed", Pack(content)) })
        {
            var message = Assert.Throws<InvalidDataException>(() => IdxReader.Read(path, 2)).Message;
            Assert.Contains(expected, message);
            Assert.Contains(path, message);
            Assert.DoesNotContain('\n', message);
        }
    }

    [Fact]
    public void EveryDamageToAPackedFileIsNoticed()
    {
        using var scratch = new ScratchFolder();
        var data = new byte[4000];
        new Random(1).NextBytes(data);
        IdxWriter.Write(scratch["good.gz"], [40, 100], data);
        var good = File.ReadAllBytes(scratch["good.gz"]);
        for (var cut = 0; cut < good.Length; cut += 97)
            Assert.Throws<InvalidDataException>(() => IdxReader.Read(scratch.Write("bad.gz", good[..cut]), 2));
        // beyond gzip's own header of ten bytes, some of which may hold anything
        for (var position = 10; position < good.Length; position += 31)
        {
            var bad = good.ToArray();
            bad[position] ^= 0x55;
            var message = Assert
                .Throws<InvalidDataException>(() => IdxReader.Read(scratch.Write("bad.gz", bad), 2))
                .Message;
            Assert.Contains("bad.gz", message);
        }
    }

    [Fact]
    public void AFolderAndAMissingFileAreNamed()
    {
        using var scratch = new ScratchFolder();
        Assert.Contains("is a folder", Assert.Throws<InvalidDataException>(() => IdxReader.Read(scratch.Path)).Message);
        Assert.Contains("no file", Assert.Throws<FileNotFoundException>(() => IdxReader.Read(scratch["none"])).Message);
    }

    [Fact]
    public void TheWriterRefusesLengthsThatDoNotFitAndLeavesAnOldFileAlone()
    {
        using var scratch = new ScratchFolder();
        var path = scratch.Write("old", 1, 2, 3);
        Assert.Contains(
            "(2, 2)",
            Assert.Throws<ArgumentException>(() => IdxWriter.Write(path, [2, 2], [1, 2, 3])).Message
        );
        Assert.Contains("was 0", Assert.Throws<ArgumentException>(() => IdxWriter.Write(path, [0], [])).Message);
        Assert.Contains(
            "was 5",
            Assert.Throws<ArgumentException>(() => IdxWriter.Write(path, [1, 1, 1, 1, 1], [1])).Message
        );
        Assert.Contains(
            "65536, 65536",
            Assert.Throws<ArgumentException>(() => IdxWriter.Write(path, [65536, 65536, 1], [])).Message
        );
        Assert.Equal([1, 2, 3], File.ReadAllBytes(path));
    }

    internal static byte[] Pack(byte[] content)
    {
        using var memory = new MemoryStream();
        using (var gzip = new GZipStream(memory, CompressionLevel.Fastest))
            gzip.Write(content);
        return memory.ToArray();
    }
}
