using System.Buffers.Binary;
using System.IO.Compression;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Notebook.Tests;

public class ImagePngTests
{
    static ImagePngTests() => BalancedDiffusion.Runtime.TorchRuntime.EnsureLoaded();

    [Fact]
    public void WhatIsEncodedIsReadBackByAnIndependentDecoder()
    {
        var random = new Random(1);
        foreach (var (width, height, grey) in new[] { (1, 1, false), (7, 5, false), (16, 3, true), (33, 40, false) })
        {
            var rgb = new byte[3 * width * height];
            random.NextBytes(rgb);
            if (grey)
                for (var i = 0; i < rgb.Length; i += 3)
                    rgb[i + 1] = rgb[i + 2] = rgb[i];
            var (w, h, pixels) = Decode(PngEncoder.Encode(rgb, width, height));
            Assert.Equal((width, height), (w, h));
            Assert.Equal(rgb, pixels);
        }
    }

    [Fact]
    public void ASmoothPictureIsMuchSmallerThanItsPixels()
    {
        var rgb = new byte[3 * 200 * 200];
        for (var i = 0; i < 200 * 200; i++)
            rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = (byte)(i % 200);
        Assert.True(PngEncoder.Encode(rgb, 200, 200).Length < 2000);
    }

    [Fact]
    public void TooFewBytesAreRefusedWithTheirNumber() =>
        Assert.Contains("was 5", Assert.Throws<ArgumentException>(() => PngEncoder.Encode(new byte[5], 2, 1)).Message);

    [Fact]
    public void EveryPixelOfAnImageBecomesASquareOfItsGrey()
    {
        using var images = torch.tensor(new float[] { -1, 0, 1, -2, 3, 0.5f }).reshape(1, 1, 2, 3);
        var (width, height, pixels) = Decode(ImageGrid.Draw(images, "t", scale: 4));
        // The image is the only thing of its size in the picture: find its top left black square below the title.
        byte[][] expected =
        [
            [0, 128, 255],
            [0, 255, 191],
        ];
        var found = false;
        for (var y0 = 0; y0 + 8 <= height && !found; y0++)
        for (var x0 = 0; x0 + 12 <= width && !found; x0++)
            found = Enumerable
                .Range(0, 8 * 12)
                .All(k => pixels[3 * ((y0 + k / 12) * width + x0 + k % 12)] == expected[k / 12 / 4][k % 12 / 4]);
        Assert.True(found);
    }

    [Fact]
    public void SignedColoursAreWhiteAtZeroRedAboveAndBlueBelow()
    {
        using var images = torch.tensor(new float[] { -2, 0, 2, 0 }).reshape(1, 4);
        var (width, height, pixels) = Decode(ImageGrid.Draw(images, "t", scale: 8, signed: true));
        var colours = Enumerable
            .Range(0, width * height)
            .Select(i => (pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]))
            .GroupBy(c => c)
            .ToDictionary(g => g.Key, g => g.Count());
        Assert.Equal(64, colours[(165, 15, 21)]);
        Assert.Equal(64, colours[(8, 69, 148)]);
    }

    [Theory]
    [InlineData(new long[] { 2, 2, 4, 4 }, "(2, 2, 4, 4)")]
    [InlineData(new long[] { 2, 5 }, "(2, 5)")]
    [InlineData(new long[] { 7 }, "(7)")]
    public void AShapeThatIsNoImageIsNamed(long[] shape, string named)
    {
        using var images = torch.zeros(shape);
        Assert.Contains(named, Assert.Throws<ArgumentException>(() => ImageGrid.Draw(images, "t")).Message);
    }

    [Fact]
    public void PixelsThatAreNotNumbersAreRefused()
    {
        using var images = torch.full(new long[] { 1, 1, 2, 2 }, float.NaN);
        Assert.Contains("NaN", Assert.Throws<ArgumentException>(() => ImageGrid.Draw(images, "t")).Message);
    }

    [Fact]
    public void TextIsNeverWiderThanItsLine()
    {
        const string text = "the quick brown fox σ = 0.2 jumps over antidisestablishmentarianism";
        for (var width = 40; width <= 400; width++)
            Assert.All(BitmapFont.Wrap(text, width), line => Assert.InRange(BitmapFont.Measure(line), 1, width));
        Assert.Equal(text, string.Join(' ', BitmapFont.Wrap(text, 300)));
    }

    // Written from the PNG specification: chunks with their checksums, one of the five filters a row, grey or RGB of 8
    // bits.
    private static (int Width, int Height, byte[] Rgb) Decode(byte[] png)
    {
        Assert.Equal([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], png[..8]);
        int width = 0,
            height = 0,
            channels = 0;
        using var packed = new MemoryStream();
        for (var position = 8; position < png.Length; )
        {
            var length = BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(position));
            var type = System.Text.Encoding.ASCII.GetString(png, position + 4, 4);
            Assert.Equal(
                Crc(png.AsSpan(position + 4, length + 4)),
                BinaryPrimitives.ReadUInt32BigEndian(png.AsSpan(position + 8 + length))
            );
            var body = png.AsSpan(position + 8, length);
            if (type == "IHDR")
            {
                width = BinaryPrimitives.ReadInt32BigEndian(body);
                height = BinaryPrimitives.ReadInt32BigEndian(body[4..]);
                Assert.Equal(8, body[8]);
                channels = body[9] switch
                {
                    0 => 1,
                    2 => 3,
                    _ => throw new InvalidDataException($"colour type {body[9]}"),
                };
            }
            if (type == "IDAT")
                packed.Write(body);
            position += 12 + length;
        }
        packed.Position = 0;
        using var zlib = new ZLibStream(packed, CompressionMode.Decompress);
        using var raw = new MemoryStream();
        zlib.CopyTo(raw);
        var data = raw.ToArray();
        var stride = width * channels;
        Assert.Equal((stride + 1) * height, data.Length);
        var lines = new byte[height + 1][];
        lines[0] = new byte[stride];
        var rgb = new byte[3 * width * height];
        for (var y = 0; y < height; y++)
        {
            var line = lines[y + 1] = new byte[stride];
            for (var i = 0; i < stride; i++)
            {
                int a = i >= channels ? line[i - channels] : 0,
                    b = lines[y][i],
                    c = i >= channels ? lines[y][i - channels] : 0,
                    p = a + b - c;
                var nearest = new[] { (Math.Abs(p - a), a), (Math.Abs(p - b), b), (Math.Abs(p - c), c) }
                    .MinBy(pair => pair.Item1)
                    .Item2;
                line[i] = (byte)(
                    data[y * (stride + 1) + 1 + i]
                    + data[y * (stride + 1)] switch
                    {
                        0 => 0,
                        1 => a,
                        2 => b,
                        3 => (a + b) >> 1,
                        4 => nearest,
                        var f => throw new InvalidDataException($"filter {f}"),
                    }
                );
            }
            for (var x = 0; x < width; x++)
            for (var k = 0; k < 3; k++)
                rgb[3 * (y * width + x) + k] = line[x * channels + (channels == 3 ? k : 0)];
        }
        return (width, height, rgb);
    }

    private static uint Crc(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var b in bytes)
            for (var (bit, x) = (0, (uint)b); bit < 8; bit++, x >>= 1)
                crc = ((crc ^ x) & 1) == 1 ? (crc >> 1) ^ 0xEDB88320 : crc >> 1;
        return ~crc;
    }
}
