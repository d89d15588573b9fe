using System.IO.Enumeration;

namespace BalancedDiffusion.Benchmarks;

/// <summary>Which of the long runs a command line asks for. A run of minutes is its own unit, timed once, and no method
/// for BenchmarkDotNet; it listens to the same <c>--filter</c>.</summary>
public static class RunFilter
{
    /// <summary>Whether a command line asks for a run: by no filter at all it does not, by <c>--filter</c> with a
    /// pattern that its name matches it does.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="run">The class of the run.</param>
    public static bool IsAsked(IReadOnlyList<string> args, Type run) =>
        Patterns(args).Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, $"{run.FullName}"));

    /// <summary>Whether a command line asks for nothing but long runs.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="runs">Their classes.</param>
    public static bool AsksForNothingElse(IReadOnlyList<string> args, IReadOnlyList<Type> runs) =>
        Patterns(args).Any()
        && Patterns(args).All(pattern => runs.Any(run => pattern.Contains(run.Name, StringComparison.Ordinal)));

    private static IEnumerable<string> Patterns(IReadOnlyList<string> args)
    {
        var isFilter = false;
        foreach (var arg in args)
            if (arg.StartsWith('-'))
                isFilter = arg is "--filter" or "-f";
            else if (isFilter)
                yield return arg;
    }
}
