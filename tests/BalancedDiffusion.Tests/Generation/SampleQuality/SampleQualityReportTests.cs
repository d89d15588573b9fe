using BalancedDiffusion.Generation.SampleQuality;
using BalancedDiffusion.Statistics;
using TorchSharp;
using static BalancedDiffusion.Tests.Generation.SampleQuality.QualityLab;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests.Generation.SampleQuality;

public class SampleQualityReportTests
{
    [Fact]
    public void TheReportGathersTheMeasuresAndTheFloor()
    {
        using var scope = torch.NewDisposeScope();
        var (real, floor, generated) = (Normal(1, 400, 5), Normal(2, 300, 5), Normal(3, 300, 5) * 0.5 + 1);
        var report = SampleQualityReport.Of(generated, real, floor, 4, 3, 5);
        Assert.Equal(FrechetDistance.Of(real, generated), report.Generated.Frechet);
        Assert.Equal(FrechetDistance.Of(real, floor), report.Floor.Frechet);
        Assert.Equal(KernelDistance.Of(real, generated, 4, 5), report.Generated.Kernel);
        Assert.Equal(PrecisionRecall.Of(real, floor, 3), report.Floor.Manifolds);
        Assert.Equal(report.Generated.Frechet.Value / report.Floor.Frechet.Value, report.FrechetOverFloor);
        Assert.True(report.FrechetOverFloor > 20, $"{report.FrechetOverFloor}");
        Assert.True(report.Floor.Manifolds.Precision.Estimate > 0.8);
        Assert.Null(report.Nearest);
        Assert.Empty(report.Factors);
        // Real samples in the place of generated ones reach the floor.
        Assert.InRange(SampleQualityReport.Of(Normal(9, 300, 5), real, floor).FrechetOverFloor, 0.3, 3);
        Refused(
            "floor must have the shape of generated, (300, 5), was (299, 5)",
            () => SampleQualityReport.Of(generated, real, floor[..299])
        );
    }

    [Fact]
    public void FactorsThatDifferAreFoundAfterHolmsCorrection()
    {
        using var scope = torch.NewDisposeScope();
        var real = Normal(1, 500, 3);
        var generated = Normal(2, 400, 3);
        generated.narrow(1, 1, 1).add_(0.5);
        var rows = FactorAgreement.Of(["Age", "Smile", "Hat"], real, generated);
        Assert.Equal(["Age", "Smile", "Hat"], rows.Select(row => row.Factor));
        Assert.True(rows[1].AdjustedPValue < 1e-6);
        Assert.All(new[] { rows[0], rows[2] }, row => Assert.True(row.AdjustedPValue > 0.01));
        double[] Column(Tensor set, int i) => set.narrow(1, i, 1).contiguous().data<double>().ToArray();
        var tests = Enumerable
            .Range(0, 3)
            .Select(i => KolmogorovSmirnov.Of(Column(real, i), Column(generated, i)))
            .ToArray();
        Assert.Equal(tests.Select(t => (t.Statistic, t.PValue)), rows.Select(row => (row.Statistic, row.PValue)));
        Assert.Equal(HolmCorrection.Of([.. tests.Select(t => t.PValue)]), rows.Select(row => row.AdjustedPValue));
        Refused(
            "3 columns of readings need as many names, was 2",
            () => FactorAgreement.Of(["a", "b"], real, generated)
        );
    }

    [Fact]
    public void MeasuresLeaveNoTensorBehind()
    {
        using var scope = torch.NewDisposeScope();
        var (a, b) = (Normal(1, 60, 4), Normal(2, 60, 4));
        var before = scope.DisposablesCount;
        SampleQualityReport.Of(a, b, a * 2);
        NearestRatios.Of(a, b, a);
        FactorAgreement.Of(["1", "2", "3", "4"], a, b);
        // a * 2 alone is new.
        Assert.Equal(before + 1, scope.DisposablesCount);
    }
}
