namespace BalancedDiffusion.Datasets.Faces;

/// <summary>
/// Renders a face from its factors: background, shoulders, an ellipsoidal head shaded by Lambert's law, hair, features,
/// beard, glasses and hat, each with soft edges one pixel wide. Thread-safe, allocates nothing a face; the same pixels
/// on every call, and on another machine up to rounding. Grey pixels are the ITU-R 601 luma 0.299 R + 0.587 G + 0.114 B
/// of the RGB pixels, up to rounding.
/// </summary>
public sealed unsafe class FaceRenderer
{
    /// <summary>A renderer of pictures of one kind.</summary>
    /// <param name="size">Pixels in height and width: 32 or 64.</param>
    /// <param name="rgb">Three channels in place of one.</param>
    /// <exception cref="ArgumentOutOfRangeException">size is neither 32 nor 64.</exception>
    public FaceRenderer(int size, bool rgb)
    {
        if (size is not (32 or 64))
            throw new ArgumentOutOfRangeException(nameof(size), $"size must be 32 or 64, was {size}");
        Size = size;
        Rgb = rgb;
    }

    /// <summary>Pixels in height and width: 32 or 64.</summary>
    public int Size { get; }

    /// <summary>Whether the pictures have three channels.</summary>
    public bool Rgb { get; }

    /// <summary>d = channels · height · width, the length of one picture.</summary>
    public int Length => (Rgb ? 3 : 1) * Size * Size;

    /// <summary>Renders one face.</summary>
    /// <param name="factors">What to render.</param>
    /// <param name="pixels">Receives the picture, (channels, height, width) row by row, each in [-1, 1]; must hold
    /// exactly <see cref="Length"/> numbers.</param>
    /// <exception cref="ArgumentException">pixels has another length.</exception>
    public void Render(FaceFactors factors, Span<float> pixels)
    {
        ArgumentNullException.ThrowIfNull(factors);
        if (pixels.Length != Length)
            throw new ArgumentException(
                $"pixels must hold {Length} numbers ({(Rgb ? 3 : 1)} × {Size} × {Size}), was {pixels.Length}",
                nameof(pixels)
            );
        var plane = Size * Size;
        pixels.Clear(); // layers mix with what lies below
        var slopes = stackalloc float[2 * plane];
        new Span<float>(slopes, 2 * plane).Clear();
        fixed (float* p = pixels)
            new FaceDrawing(factors, new FaceCanvas(p, Size, Rgb), slopes, slopes + plane).Draw();
    }
}
