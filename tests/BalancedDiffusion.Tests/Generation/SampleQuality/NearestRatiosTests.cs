using BalancedDiffusion.Generation.SampleQuality;
using TorchSharp;
using static BalancedDiffusion.Tests.Generation.SampleQuality.QualityLab;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests.Generation.SampleQuality;

public class NearestRatiosTests
{
    [Fact]
    public void RatiosAreThoseByHand()
    {
        using var scope = torch.NewDisposeScope();
        Tensor Line(params double[] places) => torch.tensor(places).unsqueeze(1);
        // Distances of the held-out to {0, 10}: 1, 2, 4; their median is 2. Of the samples: 0, 2, 5.
        var found = NearestRatios.Of(Line(10, 12, 5), Line(0, 10), Line(1, 8, -4), 0.5);
        Assert.Equal([0, 1, 2.5], found.Samples);
        Assert.Equal([0.5, 1, 2], found.HeldOut);
        Assert.Equal(1, found.Median);
        Assert.Equal(2.5, found.SampleQuantile(1));
        // At most the held-out median, itself included: two of three.
        Assert.Equal(2.0 / 3, found.Near.Estimate, 1e-15);
    }

    [Fact]
    public void ReplicasAreNearAndNewSamplesAreNot()
    {
        using var scope = torch.NewDisposeScope();
        var (training, heldOut) = (Normal(1, 500, 6), Normal(2, 1000, 6));
        var fresh = NearestRatios.Of(Normal(3, 1000, 6), training, heldOut, 0.05);
        Assert.InRange(fresh.Median, 0.93, 1.07);
        // 0.05 within five standard errors of both shares.
        Assert.InRange(fresh.Near.Estimate, 0.05 - 5 * 0.0098, 0.05 + 5 * 0.0098);
        var replicas = NearestRatios.Of(training[..100] + 1e-3, training, heldOut, 0.05);
        Assert.Equal(1, replicas.Near.Estimate);
        Assert.InRange(replicas.Median, 0, 0.01);
        // Images are compared as their pixels.
        var images = NearestRatios.Of(
            training[..4].reshape(4, 1, 2, 3),
            training.reshape(-1, 1, 2, 3),
            heldOut.reshape(-1, 1, 2, 3)
        );
        Assert.Equal([0, 0, 0, 0], images.Samples);
    }

    [Fact]
    public void BadSetsAreRefused()
    {
        using var scope = torch.NewDisposeScope();
        var set = Normal(1, 10, 2);
        Refused("held-out images are training images", () => NearestRatios.Of(set, set, set));
        Refused("samples must hold at least one sample", () => NearestRatios.Of(set[..0], set, set));
        Refused("level must be above 0 and below 1, was 1", () => NearestRatios.Of(set, set, set, 1));
        Refused("share must be between 0 and 1, was 2", () => NearestRatios.Of(set, set + 1, set).SampleQuantile(2));
    }
}
