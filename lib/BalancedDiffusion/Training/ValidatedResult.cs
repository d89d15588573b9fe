using System.Globalization;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Training;

/// <summary>What came of a run that is measured on held-out data as it goes. The EMA of the weights is in the networks
/// that were handed in.</summary>
/// <param name="History">One row every <see cref="TrainingOptions.LogEvery"/> steps and one at the end.</param>
/// <param name="StepsDone">How many updates were made.</param>
/// <param name="Seconds">Wall-clock time over all sessions.</param>
/// <param name="Cancelled">Whether the run was cancelled before its end.</param>
/// <param name="CheckpointFailure">A sentence where a checkpoint could not be written although training went on, or
/// null.</param>
public sealed record ValidatedResult(
    IReadOnlyList<ValidatedRow> History,
    long StepsDone,
    double Seconds,
    bool Cancelled,
    string? CheckpointFailure
)
{
    /// <summary>Writes a history as CSV, whole or not at all: <c>step,loss</c>, the measures, <c>learning_rate,
    /// seconds</c>.</summary>
    /// <param name="path">The file; its folder is created where it lacks.</param>
    /// <param name="history">The rows; none writes no file.</param>
    public static void WriteCsv(string path, IReadOnlyList<ValidatedRow> history)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentNullException.ThrowIfNull(history);
        if (history.Count == 0)
            return;
        string[] names = [.. history[0].Measures.Keys];
        string Line(ValidatedRow row) =>
            string.Join(
                ',',
                [
                    row.Step.ToString(CultureInfo.InvariantCulture),
                    .. new[] { row.Loss }
                        .Concat(names.Select(n => row.Measures[n]))
                        .Append(row.LearningRate)
                        .Select(v => v.ToString("G6", CultureInfo.InvariantCulture)),
                    row.Seconds.ToString("F1", CultureInfo.InvariantCulture),
                ]
            );
        using var file = new AtomicFile(path);
        File.WriteAllLines(
            file.Temporary,
            [string.Join(',', ["step", "loss", .. names, "learning_rate", "seconds"]), .. history.Select(Line)]
        );
        file.Commit();
    }
}
