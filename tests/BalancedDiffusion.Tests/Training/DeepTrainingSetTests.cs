using BalancedDiffusion.Datasets;
using BalancedDiffusion.Protocols;
using TorchSharp;

namespace BalancedDiffusion.Tests.Training;

public class DeepTrainingSetTests
{
    // Image i is 1/(1 + i) everywhere.
    private static ImageDataset Numbered(int count) =>
        new(
            "numbered",
            torch
                .arange(1, count + 1, dtype: torch.float32)
                .reciprocal()
                .view(-1, 1, 1, 1)
                .expand(count, 2, 3, 3)
                .contiguous()
        );

    [Theory]
    [InlineData(5, 2, 4)]
    [InlineData(5, 5, 3)]
    [InlineData(5, 2, 1)]
    [InlineData(5, 0, 7)]
    [InlineData(1, 1, 2)]
    public void EachRepeatedImageOccursAsOftenAsSaidAndEachOtherOnce(int distinct, int repeated, int copies)
    {
        using var scope = torch.NewDisposeScope();
        using var set = new DeepTrainingSet(Numbered(distinct), repeated, copies);
        var rows = set.Rows();
        Assert.Equal([distinct - repeated + repeated * copies, 2, 3, 3], rows.shape);
        Assert.Equal(rows.shape[0], set.Count);
        for (var i = 0; i < distinct; i++)
            Assert.Equal(
                i < repeated ? copies : 1,
                rows.eq(set.Distinct.Images[i]).flatten(1).all(1).sum().item<long>()
            );
        Assert.Equal((repeated, copies, distinct), (set.Repeated, set.Occurrences, set.Distinct.Count));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(2, 3)]
    public void TheRowsAreTheCallersOwn(int repeated, int copies)
    {
        using var scope = torch.NewDisposeScope();
        using var set = new DeepTrainingSet(Numbered(4), repeated, copies);
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        using (var rows = set.Rows())
        {
            Assert.Equal(before + 1, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
            rows.zero_().Dispose();
        }
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
        Assert.True(set.Distinct.Images.gt(0).all().item<bool>());
        set.Dispose();
        Assert.True(set.Distinct.Images.IsInvalid);
    }

    [Fact]
    public void NumbersOutOfRangeAreRefused()
    {
        using var images = Numbered(4);
        string Refused(int repeated, int copies) =>
            Assert.Throws<ArgumentOutOfRangeException>(() => new DeepTrainingSet(images, repeated, copies)).Message;
        Assert.StartsWith("repeated must be from 0 to 4, was 5", Refused(5, 2));
        Assert.StartsWith("repeated must be from 0 to 4, was -1", Refused(-1, 2));
        Assert.StartsWith("occurrences must be at least 1, was 0", Refused(2, 0));
        Assert.Throws<ArgumentNullException>(() => new DeepTrainingSet(null!));
    }
}
