using System.Diagnostics;
using System.Globalization;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Training;
using Microsoft.DotNet.Interactive;

namespace BalancedDiffusion.Notebook;

/// <summary>A progress bar in the notebook, drawn again at most five times a second; made by
/// <see cref="Progress"/>.</summary>
public sealed class ProgressBar
    : IProgress<int>,
        IProgress<long>,
        IProgress<double>,
        IProgress<TrainingProgress>,
        IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);
    private readonly Lock gate = new();
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private readonly int thread = Environment.CurrentManagedThreadId;
    private readonly KernelInvocationContext? context = KernelInvocationContext.Current;
    private readonly string what;
    private readonly string? shown;
    private TimeSpan drawn;
    private long total,
        done;
    private string note = "";
    private bool ended;

    internal ProgressBar(string what, long total)
    {
        if (string.IsNullOrWhiteSpace(what))
            throw new ArgumentException("a progress bar needs a word that says what is being done", nameof(what));
        (this.what, this.total) = (what, total);
        if (context is not null)
            shown = Output.Show(Forms());
    }

    /// <summary>Says how many steps are done. A cell that was stopped ends here.</summary>
    /// <exception cref="OperationCanceledException">The cell was stopped.</exception>
    public void Report(int value) => Report((long)value);

    /// <inheritdoc cref="Report(int)"/>
    public void Report(long value)
    {
        Move(value);
        Pass();
    }

    /// <summary>Says which share is done, 0 to 1. A cell that was stopped ends here.</summary>
    /// <exception cref="OperationCanceledException">The cell was stopped.</exception>
    public void Report(double value)
    {
        Move((long)Math.Round(Math.Clamp(double.IsNaN(value) ? 0 : value, 0, 1) * total));
        Pass();
    }

    /// <summary>Takes a report of the trainer.</summary>
    public void Report(TrainingProgress value)
    {
        ArgumentNullException.ThrowIfNull(value);
        lock (gate)
        {
            total = value.Steps;
            var left = value.SecondsLeft;
            var remaining = double.IsFinite(left) && left >= 1 ? FormattableString.Invariant($", {left:0} s left") : "";
            note = $", loss {TensorSummary.Format(value.Loss)}{remaining}";
        }
        Move(value.Step);
    }

    /// <summary>Counts one more step. A cell that was stopped ends here.</summary>
    /// <exception cref="OperationCanceledException">The cell was stopped.</exception>
    public void Step()
    {
        lock (gate)
            Move(done + 1);
        Pass();
    }

    /// <summary>Ends the bar: it becomes one line.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            if (ended)
                return;
            ended = true;
            clock.Stop();
            if (shown is not null)
                Output.Replace(context!, shown, Forms());
            else
                Console.WriteLine(Line());
        }
    }

    /// <summary>The state in words.</summary>
    internal string Line()
    {
        var seconds = clock.Elapsed.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture);
        var steps =
            total > 0
                ? $"{done.ToString("N0", CultureInfo.InvariantCulture)} of "
                    + $"{total.ToString("N0", CultureInfo.InvariantCulture)}, "
                : "";
        var loss = ended
            ? note.Split(", ").FirstOrDefault(part => part.StartsWith("loss", StringComparison.Ordinal))
            : null;
        return ended
            ? $"{what}: {steps}{(loss is null ? "" : loss + ", ")}{seconds} s"
            : $"{what}: {steps}{seconds} s{note}";
    }

    // The loop that reports is between two of its steps; a helper of it on another thread need not be.
    private void Pass()
    {
        if (Environment.CurrentManagedThreadId == thread)
            SafePoint.Pass();
    }

    private void Move(long to)
    {
        lock (gate)
        {
            if (ended)
                return;
            done = Math.Max(0, total > 0 ? Math.Min(to, total) : to);
            if (shown is null || clock.Elapsed - drawn < Pause)
                return;
            drawn = clock.Elapsed;
            Output.Replace(context!, shown, Forms());
        }
    }

    private (string, string)[] Forms()
    {
        var line = Line();
        var words = $"<span>{Output.Escape(line)}</span>";
        return
        [
            (
                "text/html",
                ended || total == 0
                    ? words
                    : $"<progress value=\"{done}\" max=\"{total}\" "
                        + $"style=\"width:260px;vertical-align:middle\"></progress> {words}"
            ),
            ("text/plain", line),
        ];
    }
}
