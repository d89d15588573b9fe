using System.Buffers.Binary;
using System.IO.Compression;

namespace BalancedDiffusion.Notebook;

/// <summary>
/// Letters as small grey pictures, so that a picture can carry words without a browser, a graphics library or a font of
/// the system. <c>make-letters.cs</c> draws them from DejaVu Sans 2.37, 15 pixels regular and 16 bold: Latin, Greek,
/// common signs. The font is free to use, to embed and to pass on under the licence of Bitstream Vera
/// (https://dejavu-fonts.github.io).
/// </summary>
internal static class BitmapFont
{
    /// <summary>The distance from one line of text to the next, pixels.</summary>
    public const int LineHeight = 19;

    private static readonly Dictionary<(bool Bold, char), Letter> All = Load();

    /// <summary>A letter: how far it moves the pen, and its ink relative to the pen and the base line.</summary>
    internal sealed record Letter(int Advance, int Width, int Height, int Left, int Top, byte[] Ink);

    /// <summary>The letter, or a question mark where it was never drawn.</summary>
    public static Letter Find(char letter, bool bold) =>
        All.TryGetValue((bold, letter), out var found) ? found : All[(bold, '?')];

    /// <summary>The width of a line of text, pixels.</summary>
    public static int Measure(string text, bool bold = false) => text.Sum(c => Find(c, bold).Advance);

    /// <summary>Breaks a text into lines no wider than this; a single word that is wider is cut short with an
    /// ellipsis.</summary>
    public static IReadOnlyList<string> Wrap(string text, int width, bool bold = false)
    {
        var lines = new List<string>();
        foreach (var paragraph in text.Split('\n'))
        {
            var line = "";
            foreach (var word in paragraph.Split(' '))
            {
                var longer = line.Length == 0 ? word : $"{line} {word}";
                if (line.Length > 0 && Measure(longer, bold) > width)
                {
                    lines.Add(line);
                    line = word;
                }
                else
                    line = longer;
            }
            lines.Add(line);
        }
        return [.. lines.Select(line => Shorten(line, width, bold))];
    }

    private static string Shorten(string line, int width, bool bold)
    {
        if (Measure(line, bold) <= width)
            return line;
        while (line.Length > 1 && Measure(line + "…", bold) > width)
            line = line[..^1];
        return line + "…";
    }

    private static Dictionary<(bool, char), Letter> Load()
    {
        using var packed = typeof(BitmapFont).Assembly.GetManifestResourceStream("letters.bin")!;
        using var zlib = new ZLibStream(packed, CompressionMode.Decompress);
        using var raw = new MemoryStream();
        zlib.CopyTo(raw);
        var data = raw.ToArray().AsSpan();
        var letters = new Dictionary<(bool, char), Letter>();
        // Each record: style, code (2 bytes), advance, width, height, left, top, ink.
        while (data.Length >= 8)
        {
            int width = data[4],
                height = data[5];
            letters[(data[0] == 1, (char)BinaryPrimitives.ReadUInt16BigEndian(data[1..]))] = new Letter(
                data[3],
                width,
                height,
                (sbyte)data[6],
                (sbyte)data[7],
                data.Slice(8, width * height).ToArray()
            );
            data = data[(8 + width * height)..];
        }
        return letters;
    }
}
