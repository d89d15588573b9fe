using System.Buffers.Binary;
using System.Text;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Tests.Runtime;

public class ElfSymbolVersionsTests
{
    // A hand-laid file: four sections behind the 64-byte header, then their table. Two needs of one library, one
    // definition, three symbols.
    private static byte[] Library()
    {
        const string names = "\0libx.so.1\0X_1\0X_2\0OWN_1\0first\0second\0third\0";
        uint At(string name) => (uint)names.IndexOf($"\0{name}\0", StringComparison.Ordinal) + 1;
        var file = new List<byte>(new byte[64]);
        long Add(params byte[][] parts)
        {
            while (file.Count % 8 != 0)
                file.Add(0);
            long position = file.Count;
            foreach (var part in parts)
                file.AddRange(part);
            return position;
        }
        byte[] H(ushort v)
        {
            var b = new byte[2];
            BinaryPrimitives.WriteUInt16LittleEndian(b, v);
            return b;
        }
        byte[] W(uint v)
        {
            var b = new byte[4];
            BinaryPrimitives.WriteUInt32LittleEndian(b, v);
            return b;
        }
        byte[] X(ulong v)
        {
            var b = new byte[8];
            BinaryPrimitives.WriteUInt64LittleEndian(b, v);
            return b;
        }
        byte[] Symbol(string name) => [.. W(name == "" ? 0 : At(name)), .. new byte[20]];
        var strings = Add(Encoding.ASCII.GetBytes(names));
        var symbols = Add(Symbol(""), Symbol("first"), Symbol("second"), Symbol("third"));
        var versions = Add(H(0), H(2), H(3), H(0x8003));
        // Verneed: version, count, file, aux, next; Vernaux: hash, flags, other, name, next.
        var needs = Add(
            H(1),
            H(2),
            W(At("libx.so.1")),
            W(16),
            W(0),
            W(0),
            H(0),
            H(2),
            W(At("X_1")),
            W(16),
            W(0),
            H(0),
            H(3),
            W(At("X_2")),
            W(0)
        );
        // Verdef: version, flags, index, count, hash, aux, next; Verdaux: name, next.
        var definitions = Add(H(1), H(0), H(1), H(1), W(0), W(20), W(0), W(At("OWN_1")), W(0));
        byte[] Section(uint type, long offset, long size, uint link, uint info) =>
            [
                .. W(0),
                .. W(type),
                .. X(0),
                .. X(0),
                .. X((ulong)offset),
                .. X((ulong)size),
                .. W(link),
                .. W(info),
                .. X(0),
                .. X(0),
            ];
        var table = Add(
            Section(0, 0, 0, 0, 0),
            Section(3, strings, names.Length, 0, 0),
            Section(11, symbols, 96, 1, 0),
            Section(0x6fffffff, versions, 8, 2, 0),
            Section(0x6ffffffe, needs, 48, 1, 1),
            Section(0x6ffffffd, definitions, 28, 1, 1)
        );
        var bytes = file.ToArray();
        new byte[] { 0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1 }.CopyTo(bytes, 0);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(0x28), (ulong)table);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(0x3a), 64);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(0x3c), 6);
        return bytes;
    }

    [Fact]
    public void NeedsDefinitionsAndSymbolsAreReadFromAHandLaidFile()
    {
        var elf = new ElfSymbolVersions(Library());
        Assert.Equal(
            [("libx.so.1", "X_1", (ushort)2, false), ("libx.so.1", "X_2", (ushort)3, false)],
            elf.Needs.Select(n => (n.Library, n.Version, n.Index, n.Weak))
        );
        Assert.Equal(["OWN_1"], elf.Defines);
        Assert.Equal(["first"], elf.SymbolsOf(2));
        Assert.Equal(["second", "third"], elf.SymbolsOf(3));
        Assert.Empty(elf.SymbolsOf(9));
    }

    [Fact]
    public void MarkingANeedWeakChangesThatNeedAndNothingElse()
    {
        var bytes = Library();
        var elf = new ElfSymbolVersions(bytes);
        var patched = elf.WithWeak(elf.Needs[1]);
        Assert.Equal([false, true], new ElfSymbolVersions(patched).Needs.Select(n => n.Weak));
        Assert.Equal(1, bytes.Zip(patched).Count(p => p.First != p.Second));
        Assert.Equal(Library(), bytes);
    }

    [Fact]
    public void WhatIsNoLibraryIsRefused()
    {
        foreach (var bytes in new[] { [], new byte[64], "#!/bin/sh\n"u8.ToArray(), Library()[..40] })
            Assert.Contains(
                "not a 64-bit",
                Assert.Throws<InvalidDataException>(() => new ElfSymbolVersions(bytes)).Message
            );
        Assert.Throws<ArgumentNullException>(() => new ElfSymbolVersions(null!));
    }

    [Fact]
    public void ACutFileIsRefusedWithASentenceWhereverItIsCut()
    {
        var whole = Library();
        // The last sixteen bytes are the last section's alignment and entry size, which nothing depends on.
        for (var length = 64; length < whole.Length - 16; length++)
            Assert.Throws<InvalidDataException>(() => new ElfSymbolVersions(whole[..length]));
    }

    [Fact]
    public void AnyByteMayBeWrongWithoutAnotherKindOfFailure()
    {
        var whole = Library();
        var refused = 0;
        for (var position = 0; position < whole.Length; position++)
            foreach (var value in new byte[] { 0, 0x7f, 0x80, 0xff })
            {
                var bytes = (byte[])whole.Clone();
                bytes[position] = value;
                try
                {
                    foreach (var need in new ElfSymbolVersions(bytes).Needs)
                        Assert.NotNull(need.Version);
                }
                catch (InvalidDataException)
                {
                    refused++;
                }
            }
        Assert.InRange(refused, 1, 4 * whole.Length - 1);
    }
}
