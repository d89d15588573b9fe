using System.Buffers.Binary;
using System.Text;

namespace BalancedDiffusion.Runtime;

/// <summary>
/// Reads the symbol-version tables of a 64-bit little-endian ELF shared library: which versions it needs from which
/// other library, and which versions it defines. Used to find out whether a native library can load on this machine
/// before the loader is asked, so that the answer is a sentence and not a crash.
/// </summary>
public sealed class ElfSymbolVersions
{
    private const uint SectionDynSym = 11,
        SectionVerDef = 0x6ffffffd,
        SectionVerNeed = 0x6ffffffe,
        SectionVerSym = 0x6fffffff;
    private const ushort WeakFlag = 2;

    private readonly byte[] bytes;
    private readonly Dictionary<uint, Section> sections = [];
    private readonly List<Section> all = [];

    private readonly record struct Section(uint Type, long Offset, long Size, int Link, int Info);

    /// <summary>One version that the library asks of another one.</summary>
    /// <param name="Library">The file name of the library asked, e.g. <c>libstdc++.so.6</c>.</param>
    /// <param name="Version">The version asked for, e.g. <c>GLIBCXX_3.4.32</c>.</param>
    /// <param name="Index">Its index in the version table of symbols.</param>
    /// <param name="FlagsOffset">Where its flags stand in the file.</param>
    /// <param name="Weak">Whether the loader may pass it over when it is missing.</param>
    public readonly record struct Need(string Library, string Version, ushort Index, long FlagsOffset, bool Weak);

    /// <summary>Parses the version tables in the bytes of a shared library.</summary>
    /// <param name="bytes">The whole file.</param>
    /// <exception cref="InvalidDataException">The bytes are no 64-bit little-endian ELF file, or the tables leave the
    /// file.</exception>
    public ElfSymbolVersions(byte[] bytes)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        this.bytes = bytes;
        if (
            bytes.Length < 64
            || bytes[0] != 0x7f
            || bytes[1] != 'E'
            || bytes[2] != 'L'
            || bytes[3] != 'F'
            || bytes[4] != 2
            || bytes[5] != 1
        )
            throw new InvalidDataException("it is not a 64-bit little-endian ELF library");
        try
        {
            ReadSections();
            Needs = ReadNeeds();
            Defines = ReadDefinitions();
        }
        catch (Exception e) when (e is ArgumentOutOfRangeException or IndexOutOfRangeException or OverflowException)
        {
            throw new InvalidDataException(
                "the ELF library's tables point outside the file: it is truncated or damaged",
                e
            );
        }
    }

    /// <summary>Parses the version tables of the shared library at <paramref name="path"/>.</summary>
    public static ElfSymbolVersions Read(string path)
    {
        try
        {
            return new(File.ReadAllBytes(path));
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"'{path}' cannot be read as a native library: {e.Message}", e);
        }
    }

    /// <summary>The versions that the library needs, in file order.</summary>
    public IReadOnlyList<Need> Needs { get; }

    /// <summary>The versions that the library defines.</summary>
    public IReadOnlySet<string> Defines { get; }

    /// <summary>The names of the dynamic symbols that carry the version with this index.</summary>
    public IReadOnlyList<string> SymbolsOf(ushort versionIndex)
    {
        if (
            !sections.TryGetValue(SectionVerSym, out var versions)
            || !sections.TryGetValue(SectionDynSym, out var symbols)
        )
            return [];
        var names = new List<string>();
        var count = Math.Min(versions.Size / 2, symbols.Size / 24);
        for (var i = 0; i < count; i++)
            if ((U16(versions.Offset + 2L * i) & 0x7fff) == versionIndex)
                names.Add(Text(all[symbols.Link], U32(symbols.Offset + 24L * i)));
        return names;
    }

    /// <summary>A copy of the file in which one needed version is marked weak: the loader then accepts a library
    /// without it.</summary>
    public byte[] WithWeak(Need need)
    {
        var copy = (byte[])bytes.Clone();
        var flags = copy.AsSpan(checked((int)need.FlagsOffset), 2);
        BinaryPrimitives.WriteUInt16LittleEndian(
            flags,
            (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(flags) | WeakFlag)
        );
        return copy;
    }

    private void ReadSections()
    {
        var table = checked((long)U64(0x28));
        int size = U16(0x3a),
            count = U16(0x3c);
        for (var i = 0; i < count; i++)
        {
            var offset = table + (long)i * size;
            var section = new Section(
                U32(offset + 4),
                checked((long)U64(offset + 24)),
                checked((long)U64(offset + 32)),
                checked((int)U32(offset + 40)),
                checked((int)U32(offset + 44))
            );
            all.Add(section);
            sections.TryAdd(section.Type, section);
        }
    }

    private List<Need> ReadNeeds()
    {
        var needs = new List<Need>();
        if (!sections.TryGetValue(SectionVerNeed, out var section))
            return needs;
        var offset = section.Offset;
        for (var i = 0; i < section.Info; i++)
        {
            var library = Text(all[section.Link], U32(offset + 4));
            var entry = offset + U32(offset + 8);
            for (var j = 0; j < U16(offset + 2); j++)
            {
                needs.Add(
                    new Need(
                        library,
                        Text(all[section.Link], U32(entry + 8)),
                        U16(entry + 6),
                        entry + 4,
                        (U16(entry + 4) & WeakFlag) != 0
                    )
                );
                // 0 ends the list; a damaged count must not keep us here for billions of turns.
                if (U32(entry + 12) == 0)
                    break;
                entry += U32(entry + 12);
            }
            if (U32(offset + 12) == 0)
                break;
            offset += U32(offset + 12);
        }
        return needs;
    }

    private HashSet<string> ReadDefinitions()
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        if (!sections.TryGetValue(SectionVerDef, out var section))
            return names;
        var offset = section.Offset;
        for (var i = 0; i < section.Info; i++)
        {
            names.Add(Text(all[section.Link], U32(offset + U32(offset + 12))));
            if (U32(offset + 16) == 0)
                break;
            offset += U32(offset + 16);
        }
        return names;
    }

    private string Text(Section strings, uint offset)
    {
        var start = checked((int)(strings.Offset + offset));
        var end = Array.IndexOf(bytes, (byte)0, start);
        return Encoding.ASCII.GetString(bytes, start, end - start);
    }

    private ushort U16(long offset) => BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(checked((int)offset), 2));

    private uint U32(long offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(checked((int)offset), 4));

    private ulong U64(long offset) => BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(checked((int)offset), 8));
}
