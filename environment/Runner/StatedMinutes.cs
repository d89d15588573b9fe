using System.Globalization;
using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>The minutes that the README's table of notebooks states, for a machine that has not timed them
/// yet.</summary>
public static partial class StatedMinutes
{
    /// <summary>Minutes by notebook, e.g. <c>02-relu-dae</c>: those of the quick profile; empty where the README is
    /// missing.</summary>
    public static IReadOnlyDictionary<string, double> Read(Workspace workspace)
    {
        ArgumentNullException.ThrowIfNull(workspace);
        try
        {
            return File.ReadLines(Path.Combine(workspace.Root, "README.md"))
                .Select(l => Row().Match(l))
                .Where(m => m.Success)
                .DistinctBy(m => m.Groups[1].Value)
                .ToDictionary(
                    m => m.Groups[1].Value,
                    m => double.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture)
                );
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new Dictionary<string, double>(); // guesses do
        }
    }

    [GeneratedRegex(
        @"^\|.*\]\(notebooks/(\d\d-[\w-]+)\.ipynb\).*\|\s*(\d+(?:\.\d+)?)\s*\|\s*$",
        RegexOptions.CultureInvariant
    )]
    private static partial Regex Row();
}
