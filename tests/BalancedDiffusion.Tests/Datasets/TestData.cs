using System.Reflection;
using BalancedDiffusion.Datasets;

namespace BalancedDiffusion.Tests.Datasets;

/// <summary>Fixtures, scratch folders and the data that only some machines have.</summary>
internal static class TestData
{
    /// <summary>The machine's search: <c>BALANCED_DIFFUSION_DATA</c> and the folders that are always looked
    /// in.</summary>
    public static DataSearch Search => DataFolders.Current;

    public static string RequireOrSkip(string relativePath)
    {
        var found = Search.Find(relativePath);
        Assert.SkipWhen(found is null, $"{relativePath} is not on this machine");
        return found!;
    }

    public static byte[] Fixture(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"Fixtures/{name}");
        Assert.NotNull(stream);
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        return memory.ToArray();
    }

    /// <summary>The gradient with noise that the Pillow fixtures were made from, drawn by the same linear
    /// congruence.</summary>
    public static byte[] Synthetic(int width, int height, int channels)
    {
        var state = 12345u;
        var pixels = new byte[width * height * channels];
        for (int y = 0, pixel = 0; y < height; y++)
        for (var x = 0; x < width; x++)
        for (var c = 0; c < channels; c++, pixel++)
        {
            state = unchecked(state * 1664525u + 1013904223u);
            var gradient = c switch
            {
                0 => x * 255 / Math.Max(1, width - 1),
                1 => y * 255 / Math.Max(1, height - 1),
                _ => (x + y) * 255 / Math.Max(1, width + height - 2),
            };
            pixels[pixel] = (byte)((3 * gradient + (int)(state >> 24)) / 4);
        }
        return pixels;
    }
}
