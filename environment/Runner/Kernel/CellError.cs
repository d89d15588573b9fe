using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Runner.Kernel;

/// <summary>Why a cell did not end well.</summary>
/// <param name="Name">The kind: an exception's type, <c>CompilationError</c>, <c>Timeout</c>,
/// <c>KernelDied</c>.</param>
/// <param name="Message">What was said, without the stack.</param>
/// <param name="Traceback">All lines that help to find the place.</param>
public sealed partial record CellError(string Name, string Message, IReadOnlyList<string> Traceback)
{
    /// <summary>Reads the kernel's message: an exception with its stack, or compiler errors.</summary>
    public static CellError FromKernel(string message)
    {
        ArgumentNullException.ThrowIfNull(message);
        var text = OutputScrubber.WithoutColours(message).ReplaceLineEndings("\n").TrimEnd();
        if (Compilation().IsMatch(text))
            return new CellError("CompilationError", text, text.Split('\n'));
        if (Thrown().Match(text) is { Success: true } thrown)
        {
            var lines = text.Split('\n');
            var stack = Array.FindIndex(lines, l => StackFrame().IsMatch(l));
            var said = string.Join('\n', lines[..(stack < 0 ? lines.Length : stack)])[(thrown.Groups[1].Length + 1)..]
                .Trim();
            // The frames of the scripting engine below the cell's own tell a reader nothing.
            var useful = lines
                .Where(l =>
                    !EngineFrame().IsMatch(l) && !l.StartsWith("--- End of stack trace", StringComparison.Ordinal)
                )
                .ToList();
            return new CellError(thrown.Groups[1].Value, said, useful);
        }
        return new CellError("Error", text, text.Split('\n'));
    }

    [GeneratedRegex(@"^\(\d+,\d+\): error [A-Z]+\d+:|typecheck error", RegexOptions.CultureInvariant)]
    private static partial Regex Compilation();

    [GeneratedRegex(@"^([A-Za-z_][\w.+`]*):\s", RegexOptions.CultureInvariant)]
    private static partial Regex Thrown();

    [GeneratedRegex(@"^\s+at \S", RegexOptions.CultureInvariant)]
    private static partial Regex StackFrame();

    private const string EngineNamespaces =
        @"Microsoft\.CodeAnalysis\.Scripting|Microsoft\.DotNet\.Interactive|"
        + @"System\.Runtime\.CompilerServices|System\.Threading\.Tasks";

    [GeneratedRegex(@"^\s+at (" + EngineNamespaces + @")\.", RegexOptions.CultureInvariant)]
    private static partial Regex EngineFrame();
}
