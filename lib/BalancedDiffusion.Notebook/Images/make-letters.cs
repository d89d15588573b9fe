// Draws letters.bin, the letters of BitmapFont. The font is DejaVu Sans 2.37 (https://dejavu-fonts.github.io): free to
// use, to embed and to pass on under the licence of Bitstream Vera, from which it was made; its own changes are in the
// public domain.
//     dotnet run --file lib/BalancedDiffusion.Notebook/Images/make-letters.cs -- FONTS letters.bin [--check]
// FONTS is a folder with DejaVuSans.ttf and DejaVuSans-Bold.ttf. With --check nothing is written: the app ends with 1
// where the file holds other letters than the font.
#:package SkiaSharp
#:property PublishAot=false
using System.Buffers.Binary;
using System.IO.Compression;
using SkiaSharp;

const string letters =
    " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
    + "αβγδεζηθκλμνξπρστφχψωΓΔΘΛΣΦΨΩ"
    + "∈∉≤≥≈≠±×·÷−–—…‖→←↑↓⇒²³⁰¹⁻₀₁₂₃₄₅ₖ"
    + "°½√∞∑∂∇‘’“”„«»§µåäëéèêöüßçñ✓✗□●";

if (args.Length is not (2 or 3) || (args.Length == 3 && args[2] != "--check"))
    return End(2, "name the folder of the fonts, the file of the letters, and --check if it is only to be compared");
using var drawn = new MemoryStream();
foreach (var (bold, name, size) in new[] { (false, "DejaVuSans.ttf", 15), (true, "DejaVuSans-Bold.ttf", 16) })
{
    using var typeface = SKTypeface.FromFile(Path.Combine(args[0], name));
    if (typeface is null)
        return End(2, $"there is no font '{name}' in '{args[0]}'");
    using var font = new SKFont(typeface, size) { Edging = SKFontEdging.Antialias, Hinting = SKFontHinting.Slight };
    foreach (var letter in letters)
        drawn.Write(Draw(letter, bold, font));
}
if (args.Length == 3)
{
    if (!File.Exists(args[1]))
        return End(2, $"there is no file '{args[1]}'");
    using var packed = new ZLibStream(File.OpenRead(args[1]), CompressionMode.Decompress);
    using var kept = new MemoryStream();
    packed.CopyTo(kept);
    return kept.ToArray().AsSpan().SequenceEqual(drawn.ToArray())
        ? End(0, $"'{args[1]}' holds the letters of the font")
        : End(1, $"'{args[1]}' holds other letters than the font");
}
using (var packed = new ZLibStream(File.Create(args[1]), CompressionLevel.SmallestSize))
    packed.Write(drawn.ToArray());
return End(0, $"drew {letters.Length} letters, regular and bold");

// One record: style, code (2 bytes, high byte first), advance, width, height, left, top, ink by rows.
static byte[] Draw(char letter, bool bold, SKFont font)
{
    const int side = 64,
        pen = 24,
        baseLine = 40;
    using var bitmap = new SKBitmap(new SKImageInfo(side, side, SKColorType.Alpha8, SKAlphaType.Premul));
    using var canvas = new SKCanvas(bitmap);
    // Skia thins black strokes and thickens white ones; grey keeps them between.
    using var paint = new SKPaint { IsAntialias = true, Color = SKColors.Gray };
    canvas.Clear(SKColors.Transparent);
    using var word = SKTextBlob.Create(letter.ToString(), font);
    if (word is not null)
        canvas.DrawText(word, pen, baseLine, paint);
    canvas.Flush();
    var ink = bitmap.GetPixelSpan();
    int left = side,
        right = -1,
        top = side,
        bottom = -1;
    for (var i = 0; i < ink.Length; i++)
        if (ink[i] > 0)
        {
            (left, right) = (Math.Min(left, i % side), Math.Max(right, i % side));
            (top, bottom) = (Math.Min(top, i / side), Math.Max(bottom, i / side));
        }
    var (width, height) = right < 0 ? (0, 0) : (right - left + 1, bottom - top + 1);
    var record = new byte[8 + width * height];
    record[0] = bold ? (byte)1 : (byte)0;
    BinaryPrimitives.WriteUInt16BigEndian(record.AsSpan(1), letter);
    record[3] = (byte)Math.Round(font.MeasureText([font.GetGlyph(letter)]));
    (record[4], record[5]) = ((byte)width, (byte)height);
    if (width > 0)
        (record[6], record[7]) = ((byte)(sbyte)(left - pen), (byte)(sbyte)(top - baseLine));
    for (var y = 0; y < height; y++)
        ink.Slice((top + y) * side + left, width).CopyTo(record.AsSpan(8 + y * width));
    return record;
}

static int End(int code, string sentence)
{
    (code == 0 ? Console.Out : Console.Error).WriteLine(sentence);
    return code;
}
