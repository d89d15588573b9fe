using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Filters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Perfolizer.Horology;
using Perfolizer.Mathematics.OutlierDetection;

namespace BalancedDiffusion.Benchmarks;

/// <summary>
/// What all benchmarks share. They run in this process: in a project that BenchmarkDotNet generates, libtorch and its
/// patched copy would not lie where the library looks for them. Few iterations, each of half a second or of one
/// invocation where that takes longer: the subjects take milliseconds to seconds, not nanoseconds.
/// </summary>
/// <remarks>
/// A new class of benchmarks is found by itself. Methods of one category share a table group with one baseline, to
/// which the column Ratio refers; a method marked by <see cref="SamplesAttribute"/> fills the column samples/s.
/// </remarks>
public sealed class BenchmarkConfig : ManualConfig
{
    /// <summary>Where results go: artifacts/benchmarks below the current folder.</summary>
    public static string Folder { get; } = Path.Combine("artifacts", "benchmarks");

    /// <summary>The configuration; results go to <see cref="Folder"/>.</summary>
    public BenchmarkConfig()
    {
        Add(DefaultConfig.Instance);
        AddJob(
            Job.Default.WithId("InProcess")
                .WithToolchain(InProcessEmitToolchain.Instance)
                .WithIterationTime(TimeInterval.FromMilliseconds(500))
                .WithMinInvokeCount(1)
                .WithUnrollFactor(1)
                .WithWarmupCount(1)
                .WithIterationCount(5)
                .WithEvaluateOverhead(false)
                // Of five iterations a slow one is a finding, such as threads that wait for each other, and must not
                // vanish from the mean.
                .WithOutlierMode(OutlierMode.DontRemove)
        );
        AddFilter(
            new SimpleFilter(benchmark =>
                !Attribute.IsDefined(benchmark.Descriptor.WorkloadMethod, typeof(NeedsPythonAttribute))
                || PythonLoop.Interpreter is not null
            )
        );
        AddColumn(CategoriesColumn.Default, new SamplesPerSecondColumn());
        HideColumns(
            Column.Job,
            Column.Error,
            Column.RatioSD,
            Column.Toolchain,
            Column.IterationTime,
            Column.MinInvokeCount,
            Column.UnrollFactor,
            Column.WarmupCount,
            Column.IterationCount,
            Column.EvaluateOverhead,
            Column.OutlierMode
        );
        AddLogicalGroupRules(BenchmarkLogicalGroupRule.ByCategory);
        WithArtifactsPath(Folder);
    }
}
