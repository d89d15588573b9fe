using BalancedDiffusion.Memorization;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests.Memorization;

public sealed class DetectionBenchmarkTests
{
    private sealed class Reads(string name, Func<Tensor, Tensor> score) : IMemorizationDetector
    {
        public List<(long Rows, long Seed, long First)> Calls { get; } = [];
        public string Name => name;

        public Tensor Score(Tensor samples, long seed, long firstIndex = 0)
        {
            Calls.Add((samples.shape[0], seed, firstIndex));
            return score(samples);
        }
    }

    private sealed class CallbackProgress(Action<long> report) : IProgress<long>
    {
        public void Report(long value) => report(value);
    }

    private static Reads First(string name = "first", double sign = 1) =>
        new(name, s => s.select(1, 0).to_type(float64) * sign);

    private static readonly bool[] Labels = [true, false, true, false, false];

    private static Tensor Samples() =>
        tensor(
            new[,]
            {
                { 5f, 0 },
                { 1f, 0 },
                { 2f, 0 },
                { 3f, 0 },
                { 0f, 0 },
            }
        );

    [Fact]
    public void RowsHoldTheScoresInOrderAndWhatTheyAreWorth()
    {
        using var scope = NewDisposeScope();
        var rows = DetectionBenchmark.Run([First(), First("opposite", -1)], Samples(), Labels, 3, 200, batch: 2);
        Assert.Equal(["first", "opposite"], rows.Select(r => r.Name));
        Assert.Equal([5.0, 1, 2, 3, 0], rows[0].Scores);
        // 5 beats 1, 3, 0; 2 beats 1 and 0: five pairs of six. Above 3, the highest of the others, lies one of two.
        Assert.Equal(5.0 / 6, rows[0].Auroc.Estimate, 12);
        Assert.Equal(0.5, rows[0].TruePositiveRate.Estimate, 12);
        Assert.Equal(1.0 / 6, rows[1].Auroc.Estimate, 12);
        Assert.Equal(
            (1 - rows[0].Auroc.High, 1 - rows[0].Auroc.Low),
            (rows[1].Auroc.Low, rows[1].Auroc.High),
            (a, b) => Math.Abs(a.Item1 - b.Item1) < 0.2 && Math.Abs(a.Item2 - b.Item2) < 0.2
        );
        Assert.All(
            rows,
            row =>
                Assert.True(
                    row.SecondsPerImage > 0 && row.Auroc.Contains(row.Auroc.Estimate) && row.Auroc.Level == 0.95
                )
        );
        Assert.StartsWith("first: AUROC 0.833 [", rows[0].ToString());
    }

    [Fact]
    public void SamplesAreScoredInBatchesWithTheirIndicesAfterOneToWarmUp()
    {
        using var scope = NewDisposeScope();
        var detector = First();
        var reports = new List<long>();
        DetectionBenchmark.Run(
            [detector],
            Samples(),
            Labels,
            3,
            1,
            batch: 2,
            progress: new CallbackProgress(reports.Add)
        );
        Assert.Equal([(1L, 3L, 0L), (2, 3, 0), (2, 3, 2), (1, 3, 4)], detector.Calls);
        Assert.Equal([2L, 4, 5], reports);
    }

    [Fact]
    public void GroupsAreRedrawnWhole()
    {
        using var scope = NewDisposeScope();
        // Both positives in one group and all negatives in another: each draw is the data again.
        var row = DetectionBenchmark.Run([First()], Samples(), Labels, 3, 50, groups: [0, 1, 0, 1, 1])[0];
        Assert.Equal((row.Auroc.Estimate, row.Auroc.Estimate), (row.Auroc.Low, row.Auroc.High));
        var free = DetectionBenchmark.Run([First()], Samples(), Labels, 3, 50)[0];
        Assert.True(free.Auroc.Low < free.Auroc.High);
    }

    [Fact]
    public void BadInputEndsInOneSentence()
    {
        using var scope = NewDisposeScope();
        string Refused(Action act) => Assert.ThrowsAny<ArgumentException>(act).Message;
        Assert.StartsWith(
            "detection needs samples of both kinds, but none of the 5 is memorized",
            Refused(() => DetectionBenchmark.Run([First()], Samples(), new bool[5], 0))
        );
        Assert.StartsWith(
            "detection needs samples of both kinds, but each of the 5 is memorized",
            Refused(() => DetectionBenchmark.Run([First()], Samples(), [true, true, true, true, true], 0))
        );
        Assert.StartsWith(
            "5 samples need as many labels, was 1",
            Refused(() => DetectionBenchmark.Run([First()], Samples(), [true], 0))
        );
        Assert.StartsWith(
            "5 samples need as many groups, was 1",
            Refused(() => DetectionBenchmark.Run([First()], Samples(), Labels, 0, groups: [1]))
        );
        Assert.StartsWith(
            "samples are empty, was (0, 2)",
            Refused(() => DetectionBenchmark.Run([First()], ones(0, 2), [], 0))
        );
        Assert.StartsWith(
            "detectors must hold at least one detector, was empty",
            Refused(() => DetectionBenchmark.Run([], Samples(), Labels, 0))
        );
        Assert.StartsWith(
            "2 detectors are called 'first'; give each a Name of its own",
            Refused(() => DetectionBenchmark.Run([First(), First()], Samples(), Labels, 0))
        );
        Assert.StartsWith(
            "bootstrap must be at least 1, was 0",
            Refused(() => DetectionBenchmark.Run([First()], Samples(), Labels, 0, 0))
        );
        Assert.StartsWith(
            "batch must be at least 1, was 0",
            Refused(() => DetectionBenchmark.Run([First()], Samples(), Labels, 0, batch: 0))
        );
        string Failed(Func<Tensor, Tensor> score) =>
            Assert
                .Throws<InvalidOperationException>(() =>
                    DetectionBenchmark.Run([new Reads("odd", score)], Samples(), Labels, 0)
                )
                .Message;
        Assert.Equal("the detector 'odd' gave NaN for sample 0", Failed(s => full(s.shape[0], double.NaN)));
        Assert.Equal("the detector 'odd' gave shape (1, 2) for 1 samples", Failed(s => s));
        Assert.Equal(
            "the detector 'odd' failed: no weights",
            Failed(_ => throw new InvalidOperationException("no weights"))
        );
    }

    [Fact]
    public void ItStopsBetweenBatches()
    {
        using var scope = NewDisposeScope();
        using var source = new CancellationTokenSource();
        var detector = First();
        Assert.Throws<OperationCanceledException>(() =>
            DetectionBenchmark.Run(
                [detector],
                Samples(),
                Labels,
                0,
                batch: 2,
                progress: new CallbackProgress(_ => source.Cancel()),
                cancellation: source.Token
            )
        );
        Assert.Equal(2, detector.Calls.Count);
    }
}
