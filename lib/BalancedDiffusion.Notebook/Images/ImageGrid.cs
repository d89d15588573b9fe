using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Notebook;

/// <summary>
/// A grid of images as one PNG that needs no browser. Pixels are enlarged by whole factors without smoothing, so that
/// every square is one pixel of the data.
/// </summary>
public static class ImageGrid
{
    private const int MostImages = 600,
        Gap = 6,
        Margin = 10,
        TargetWidth = 860,
        WidestCell = 170;

    /// <summary>Shows images.</summary>
    /// <param name="images">(n, 1 or 3, h, w), (n, h, w), or vectors (n, d) with d = s² (grey) or 3 s² (RGB); finite,
    /// any device.</param>
    /// <param name="id">The figure's name, e.g. <c>3.2</c>.</param>
    /// <param name="title">What is shown, one line; drawn above.</param>
    /// <param name="takeaway">One sentence that says what to see; the caption below.</param>
    /// <param name="columns">Images in a row; 0 chooses.</param>
    /// <param name="captions">A caption under each image, or null.</param>
    /// <param name="rowLabels">A label at the left of each row, or null; then columns = n / labels unless
    /// given.</param>
    /// <param name="scale">The side of one pixel, 1 to 16; 0 chooses.</param>
    /// <param name="range">What is drawn black and white, (-1, 1) where null; values outside are cut off.</param>
    /// <param name="signed">Draws 0 white, the largest magnitude of all images deep red (positive) or deep blue
    /// (negative), for weights and differences; grey images only, and <paramref name="range"/> must be null or
    /// symmetric.</param>
    /// <exception cref="ArgumentException">A shape, a count or a value does not fit; the message names it.</exception>
    public static void Show(
        torch.Tensor images,
        string id,
        string title,
        string takeaway,
        int columns = 0,
        IReadOnlyList<string>? captions = null,
        IReadOnlyList<string>? rowLabels = null,
        int scale = 0,
        (double Low, double High)? range = null,
        bool signed = false
    )
    {
        Figure.RequireWords(id, title, takeaway);
        var png = Draw(images, title, columns, captions, rowLabels, scale, range, signed);
        var count = (int)images.shape[0];
        var alt = AltText.OfImages(
            count,
            Columns(count, columns, captions, rowLabels),
            title,
            takeaway,
            rowLabels,
            captions
        );
        Output.Show(("image/png", Convert.ToBase64String(png)), ("text/plain", $"[Figure {id}: {title}]\n{alt}"));
        Figure.Caption(id, takeaway);
    }

    /// <summary>The PNG that <see cref="Show"/> shows.</summary>
    /// <inheritdoc cref="Show"/>
    public static byte[] Draw(
        torch.Tensor images,
        string title,
        int columns = 0,
        IReadOnlyList<string>? captions = null,
        IReadOnlyList<string>? rowLabels = null,
        int scale = 0,
        (double Low, double High)? range = null,
        bool signed = false
    )
    {
        ArgumentNullException.ThrowIfNull(images);
        Guard.Finite(images);
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var batch = AsImages(images);
        int n = (int)batch.shape[0],
            channels = (int)batch.shape[1],
            height = (int)batch.shape[2],
            width = (int)batch.shape[3];
        if (n is 0 or > MostImages)
            throw new ArgumentException($"a grid shows 1 to {MostImages} images, was {n}", nameof(images));
        if (signed && channels != 1)
            throw new ArgumentException(
                $"signed colours are for images of one channel, was {channels}",
                nameof(signed)
            );
        if (captions is not null && captions.Count != n)
            throw new ArgumentException($"{n} images need as many captions, was {captions.Count}", nameof(captions));
        if (scale is < 0 or > 16)
            throw new ArgumentException($"scale must be 1 to 16, or 0 to have it chosen, was {scale}", nameof(scale));
        if (columns < 0)
            throw new ArgumentException(
                $"columns must be 1 or more, or 0 to have it chosen, was {columns}",
                nameof(columns)
            );
        columns = Columns(n, columns, captions, rowLabels);
        var rows = (n + columns - 1) / columns;
        if (rowLabels is not null && rowLabels.Count != rows)
            throw new ArgumentException($"{rows} rows need as many labels, was {rowLabels.Count}", nameof(rowLabels));
        var (low, high) = range ?? (signed ? Symmetric(batch) : (-1.0, 1.0));
        if (!double.IsFinite(low) || !double.IsFinite(high) || !(low < high))
            throw new ArgumentException(
                $"range must be two finite numbers, the lower first, was ({low}, {high})",
                nameof(range)
            );
        if (signed && Math.Abs(low + high) > 1e-9 * high)
            throw new ArgumentException(
                $"signed colours need a range symmetric about 0, was ({low}, {high})",
                nameof(range)
            );

        var labels = rowLabels?.Select(label => BitmapFont.Wrap(label, 150)).ToArray();
        var labelWidth = labels is null ? 0 : labels.Max(lines => lines.Max(line => BitmapFont.Measure(line))) + 10;
        if (scale == 0)
            scale = Math.Clamp(
                Math.Min(
                    (TargetWidth - 2 * Margin - labelWidth) / (columns * (width + Gap)),
                    (int)Math.Ceiling(96.0 / width)
                ),
                1,
                16
            );
        var (drawnWidth, drawnHeight) = (width * scale, height * scale);
        var cell = captions is null
            ? drawnWidth
            : Math.Max(
                drawnWidth,
                Math.Min(WidestCell, captions.Max(c => c.Split('\n').Max(line => BitmapFont.Measure(line))) + 4)
            );
        var words = captions?.Select(caption => BitmapFont.Wrap(caption, cell)).ToArray();
        var below = words is null ? 0 : words.Max(lines => lines.Count) * BitmapFont.LineHeight + 4;
        var note = signed ? $"white 0, red +{TensorSummary.Format(high)}, blue −{TensorSummary.Format(high)}" : null;
        var bodyWidth = labelWidth + columns * (cell + Gap) - Gap;
        var totalWidth =
            2 * Margin
            + Math.Max(
                bodyWidth,
                Math.Min(
                    TargetWidth - 2 * Margin,
                    Math.Max(BitmapFont.Measure(title, true), note is null ? 0 : BitmapFont.Measure(note))
                )
            );
        var heading = BitmapFont.Wrap(title, totalWidth - 2 * Margin, bold: true);
        var top = Margin + heading.Count * BitmapFont.LineHeight + 8;
        var canvas = new PixelCanvas(
            totalWidth,
            top + rows * (drawnHeight + below + Gap) - Gap + (note is null ? 0 : BitmapFont.LineHeight + 6) + Margin
        );
        for (var i = 0; i < heading.Count; i++)
            canvas.Text(heading[i], Margin, Margin + 14 + i * BitmapFont.LineHeight, bold: true);

        var pixels = batch.contiguous().data<float>().ToArray();
        for (var k = 0; k < n; k++)
        {
            var x0 = Margin + labelWidth + k % columns * (cell + Gap) + (cell - drawnWidth) / 2;
            var y0 = top + k / columns * (drawnHeight + below + Gap);
            for (var y = 0; y < drawnHeight; y++)
            {
                for (var x = 0; x < drawnWidth; x++)
                {
                    var index = k * channels * height * width + y / scale * width + x / scale;
                    if (signed)
                    {
                        var (red, green, blue) = Diverging(pixels[index] / high);
                        canvas.Set(x0 + x, y0 + y, red, green, blue);
                    }
                    else
                    {
                        var red = Grey(pixels[index], low, high);
                        if (channels == 1)
                            canvas.Set(x0 + x, y0 + y, red, red, red);
                        else
                            canvas.Set(
                                x0 + x,
                                y0 + y,
                                red,
                                Grey(pixels[index + height * width], low, high),
                                Grey(pixels[index + 2 * height * width], low, high)
                            );
                    }
                }
            }
            if (signed)
                Frame(canvas, x0, y0, drawnWidth, drawnHeight);
            for (var i = 0; i < (words?[k].Count ?? 0); i++)
                canvas.Text(
                    words![k][i],
                    Margin + labelWidth + k % columns * (cell + Gap) + (cell - BitmapFont.Measure(words[k][i])) / 2,
                    y0 + drawnHeight + 16 + i * BitmapFont.LineHeight
                );
        }
        for (var r = 0; r < (labels?.Length ?? 0); r++)
        for (var i = 0; i < labels![r].Count; i++)
            canvas.Text(
                labels[r][i],
                Margin,
                top
                    + r * (drawnHeight + below + Gap)
                    + drawnHeight / 2
                    + 5
                    + (2 * i + 1 - labels[r].Count) * BitmapFont.LineHeight / 2
            );
        if (note is not null)
            canvas.Text(note, Margin + labelWidth, canvas.Height - Margin - 3);
        return canvas.ToPng();
    }

    private static int Columns(
        int count,
        int asked,
        IReadOnlyList<string>? captions,
        IReadOnlyList<string>? rowLabels
    ) =>
        asked > 0 ? asked
        : rowLabels is { Count: > 0 } ? (count + rowLabels.Count - 1) / rowLabels.Count
        : Math.Min(count, captions is null && count > 12 ? 16 : 8);

    private static torch.Tensor AsImages(torch.Tensor images)
    {
        var shape = images.shape;
        var shapeText = $"({string.Join(", ", shape)})";
        var values = images.detach().to(torch.float32).cpu();
        switch (shape.Length)
        {
            case 4 when shape[1] is 1 or 3:
                return values;
            case 3:
                return values.unsqueeze(1);
            case 2:
                foreach (var channels in new[] { 1, 3 })
                {
                    var side = (long)Math.Round(Math.Sqrt((double)shape[1] / channels));
                    if (side > 0 && side * side * channels == shape[1])
                        return values.reshape(shape[0], channels, side, side);
                }
                throw new ArgumentException(
                    $"vectors must have length s² or 3 s² to be shown as images, was {shapeText}",
                    nameof(images)
                );
            default:
                throw new ArgumentException(
                    $"images must have shape (n, 1 or 3, h, w), (n, h, w) or (n, d), was {shapeText}",
                    nameof(images)
                );
        }
    }

    private static (double, double) Symmetric(torch.Tensor batch)
    {
        var most = batch.abs().max().item<float>();
        return most > 0 ? (-most, most) : (-1, 1);
    }

    private static byte Grey(float value, double low, double high) =>
        (byte)Math.Round(255 * Math.Clamp((value - low) / (high - low), 0, 1));

    // From deep blue through white to deep red, each arm by way of a lighter tone so that small magnitudes can be told
    // apart.
    private static (byte, byte, byte) Diverging(double value)
    {
        var t = Math.Clamp(Math.Abs(value), 0, 1);
        ReadOnlySpan<(double R, double G, double B)> arm =
            value >= 0
                ? [(255, 255, 255), (244, 165, 130), (165, 15, 21)]
                : [(255, 255, 255), (146, 197, 222), (8, 69, 148)];
        var (from, to, u) = t < 0.5 ? (arm[0], arm[1], 2 * t) : (arm[1], arm[2], 2 * t - 1);
        return (
            (byte)Math.Round(from.R + u * (to.R - from.R)),
            (byte)Math.Round(from.G + u * (to.G - from.G)),
            (byte)Math.Round(from.B + u * (to.B - from.B))
        );
    }

    private static void Frame(PixelCanvas canvas, int x0, int y0, int width, int height)
    {
        for (var x = -1; x <= width; x++)
        {
            canvas.Set(x0 + x, y0 - 1, 190, 190, 190);
            canvas.Set(x0 + x, y0 + height, 190, 190, 190);
        }
        for (var y = -1; y <= height; y++)
        {
            canvas.Set(x0 - 1, y0 + y, 190, 190, 190);
            canvas.Set(x0 + width, y0 + y, 190, 190, 190);
        }
    }
}
