using System.Globalization;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Notebook;

/// <summary>Images at several strengths behind one slider. All pictures are in the output, so that it redraws at once,
/// needs neither kernel nor network, and stays alive in a saved page.</summary>
public static class StrengthControl
{
    /// <summary>Shows images under a slider; where a page runs no HTML, as one grid with a row a strength.</summary>
    /// <param name="images">(strengths, n, 1 or 3, h, w), 2 to 41 strengths, finite.</param>
    /// <param name="strengths">As many, in the order that the slider has them.</param>
    /// <param name="id">The figure's name.</param>
    /// <param name="title">What is shown, one line.</param>
    /// <param name="takeaway">One sentence that says what to see.</param>
    /// <param name="start">The number of the strength that is shown first, from 0.</param>
    /// <param name="captions">A caption under each image, or null.</param>
    /// <exception cref="ArgumentException">A shape or a count does not fit.</exception>
    public static void Show(
        torch.Tensor images,
        IReadOnlyList<double> strengths,
        string id,
        string title,
        string takeaway,
        int start = 0,
        IReadOnlyList<string>? captions = null
    )
    {
        Figure.RequireWords(id, title, takeaway);
        Guard.Shape(images, [-1, -1, -1, -1, -1]);
        ArgumentNullException.ThrowIfNull(strengths);
        if (strengths.Count != images.shape[0] || strengths.Count is < 2 or > 41)
            throw new ArgumentException(
                $"strengths must be 2 to 41, as many as images has rows, were {strengths.Count} for {images.shape[0]}",
                nameof(strengths)
            );
        if (start < 0 || start >= strengths.Count)
            throw new ArgumentOutOfRangeException(
                nameof(start),
                $"start must be from 0 to {strengths.Count - 1}, was {start}"
            );
        using var scope = torch.NewDisposeScope();
        var (count, columns) = ((int)images.shape[1], (int)Math.Min(8, images.shape[1]));
        string Label(int k) => strengths[k].ToString("G4", CultureInfo.InvariantCulture);
        var frames = strengths
            .Select(
                (_, k) =>
                    (
                        Label: Label(k),
                        Png: Convert.ToBase64String(
                            ImageGrid.Draw(images[k], $"{title}: strength {Label(k)}", columns, captions)
                        )
                    )
            )
            .ToArray();
        // One row a strength, the first eight images.
        string[] rows = [.. frames.Select(frame => $"strength {frame.Label}")];
        var grid = ImageGrid.Draw(images.narrow(1, 0, columns).flatten(0, 1), title, columns, rowLabels: rows);
        var alt = AltText.OfImages(columns * strengths.Count, columns, title, takeaway, rows);
        Output.Show(
            ("text/html", Html(frames, title, start)),
            ("image/png", Convert.ToBase64String(grid)),
            ("text/plain", $"[Figure {id}: {title}; {count} images at {strengths.Count} strengths]\n{alt}")
        );
        Figure.Caption(id, takeaway);
    }

    internal static string Html(IReadOnlyList<(string Label, string Png)> frames, string title, int start)
    {
        var name = Output.Escape(title);
        var pictures = string.Concat(
            frames.Select(
                (f, k) =>
                    $"<img src=\"data:image/png;base64,{f.Png}\" alt=\"{name}, strength {f.Label}\" "
                    + $"style=\"display:{(k == start ? "block" : "none")};max-width:100%\">"
            )
        );
        return $"<div role=\"group\" aria-label=\"{name}\"><label>strength <input type=\"range\" min=\"0\" "
            + $"max=\"{frames.Count - 1}\" step=\"1\" value=\"{start}\" aria-label=\"strength of steering\" "
            + "style=\"width:320px;vertical-align:middle\" "
            + "oninput=\"var v=+this.value;this.closest('div').querySelectorAll('img')"
            + ".forEach(function(e,i){e.style.display=i===v?'block':'none';});\"></label>"
            + pictures
            + "</div>";
    }
}
