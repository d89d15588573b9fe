using System.Globalization;
using System.Reflection;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace BalancedDiffusion.Benchmarks;

/// <summary>The column samples/s: the number of <see cref="SamplesAttribute"/> over the mean time; a dash for methods
/// without one.</summary>
public sealed class SamplesPerSecondColumn : IColumn
{
    /// <inheritdoc/>
    public string Id => nameof(SamplesPerSecondColumn);

    /// <inheritdoc/>
    public string ColumnName => "samples/s";

    /// <inheritdoc/>
    public string Legend => "Samples a second, all steps included";

    /// <inheritdoc/>
    public bool AlwaysShow => true;

    /// <inheritdoc/>
    public ColumnCategory Category => ColumnCategory.Statistics;

    /// <inheritdoc/>
    public int PriorityInCategory => 0;

    /// <inheritdoc/>
    public bool IsNumeric => true;

    /// <inheritdoc/>
    public UnitType UnitType => UnitType.Dimensionless;

    /// <inheritdoc/>
    public bool IsAvailable(Summary summary) => true;

    /// <inheritdoc/>
    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    /// <inheritdoc/>
    public string GetValue(Summary summary, BenchmarkCase benchmarkCase) =>
        GetValue(summary, benchmarkCase, summary.Style);

    /// <inheritdoc/>
    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style)
    {
        if (benchmarkCase.Descriptor.WorkloadMethod.GetCustomAttribute<SamplesAttribute>() is not { } samples)
            return "-";
        // Times are in nanoseconds; a benchmark that failed has none.
        return summary[benchmarkCase]?.ResultStatistics is { } times
            ? (samples.Count * 1e9 / times.Mean).ToString("N0", CultureInfo.InvariantCulture)
            : "NA";
    }
}
