using System.Reflection;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>Plotly's own script, which Plotly.NET carries: the version that the charts were written for.</summary>
public static class PlotlyScript
{
    /// <summary>Reads the script out of the library that the notebooks load.</summary>
    /// <param name="kernelFolder">The folder that the notebooks load from,
    /// <c>lib/BalancedDiffusion.Exercises/bin/kernel</c>.</param>
    /// <exception cref="UsageException">The library was not built, or holds no script.</exception>
    public static byte[] Read(string kernelFolder)
    {
        var library = Path.Combine(kernelFolder, "Plotly.NET.dll");
        if (!File.Exists(library))
            throw new UsageException(
                "Plotly.NET.dll, whose script draws the charts, is not among the notebooks' libraries; run "
                    + "'dotnet build' first."
            );
        var assembly = Assembly.LoadFile(library);
        var name =
            assembly
                .GetManifestResourceNames()
                .FirstOrDefault(n =>
                    n.Contains("plotly", StringComparison.Ordinal) && n.EndsWith(".min.js", StringComparison.Ordinal)
                )
            ?? throw new UsageException(
                $"Plotly.NET {assembly.GetName().Version} carries no plotly*.min.js, so that charts could not "
                    + "be drawn; use the version in Directory.Packages.props."
            );
        using var stream = assembly.GetManifestResourceStream(name)!;
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
