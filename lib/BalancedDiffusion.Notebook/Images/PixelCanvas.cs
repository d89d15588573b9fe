using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Notebook;

/// <summary>White pixels to draw on.</summary>
internal sealed class PixelCanvas
{
    private readonly byte[] rgb;

    public PixelCanvas(int width, int height)
    {
        (Width, Height) = (width, height);
        rgb = new byte[3 * width * height];
        Array.Fill(rgb, (byte)255);
    }

    public int Width { get; }

    public int Height { get; }

    public void Set(int x, int y, byte red, byte green, byte blue)
    {
        if ((uint)x >= (uint)Width || (uint)y >= (uint)Height)
            return;
        var index = 3 * (y * Width + x);
        (rgb[index], rgb[index + 1], rgb[index + 2]) = (red, green, blue);
    }

    /// <summary>Writes a line of text, its base line at y.</summary>
    public void Text(string text, int x, int y, bool bold = false)
    {
        foreach (var c in text)
        {
            var letter = BitmapFont.Find(c, bold);
            for (var i = 0; i < letter.Ink.Length; i++)
            {
                if (letter.Ink[i] == 0)
                    continue;
                int px = x + letter.Left + i % letter.Width,
                    py = y + letter.Top + i / letter.Width;
                if ((uint)px >= (uint)Width || (uint)py >= (uint)Height)
                    continue;
                var index = 3 * (py * Width + px);
                for (var k = 0; k < 3; k++)
                    rgb[index + k] = (byte)(rgb[index + k] * (255 - letter.Ink[i]) / 255 + 34 * letter.Ink[i] / 255);
            }
            x += letter.Advance;
        }
    }

    public byte[] ToPng() => PngEncoder.Encode(rgb, Width, Height);
}
