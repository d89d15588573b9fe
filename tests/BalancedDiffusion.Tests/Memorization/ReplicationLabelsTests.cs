using BalancedDiffusion.Memorization;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests.Memorization;

public sealed class ReplicationLabelsTests
{
    [Fact]
    public void ALabelIsEarnedBelowAThirdOrWhateverIsAskedFor()
    {
        using var scope = NewDisposeScope();
        var training = tensor(
            new[,]
            {
                { 0f, 1 },
                { 4f, 1 },
                { 100f, 1 },
            }
        );
        var samples = tensor(
            new[,]
            {
                { 0f, 1 },
                { 0.9f, 1 },
                { 1.1f, 1 },
                { 2f, 1 },
                { 99f, 1 },
            }
        ); // ratios 0, 0.29, 0.38, 1, 0.01
        Assert.Equal([true, true, false, false, true], ReplicationLabels.Of(samples, training));
        Assert.Equal([true, false, false, false, true], ReplicationLabels.Of(samples, training, threshold: 0.1));
        Assert.Equal([true, true, true, false, true], ReplicationLabels.Of(samples, training, threshold: 0.5));
        // By the angle (2, 1) lies 12.5° from (4, 1) and 26.0° from (100, 1): 1 - cos is 0.024 and 0.101.
        Assert.True(ReplicationLabels.Of(samples, training, DistanceKind.Cosine)[3]);
    }

    [Fact]
    public void WhatCannotBeLabelledIsRefused()
    {
        using var scope = NewDisposeScope();
        Assert.StartsWith(
            "samples are empty, was (0, 2)",
            Assert.Throws<ArgumentException>(() => ReplicationLabels.Of(ones(0, 2), ones(3, 2))).Message
        );
        Assert.StartsWith(
            "the gap ratio needs at least two training samples, was 1",
            Assert.Throws<ArgumentException>(() => ReplicationLabels.Of(ones(2, 2), ones(1, 2))).Message
        );
        Assert.StartsWith(
            "threshold must be positive and finite, was 0",
            Assert
                .Throws<ArgumentOutOfRangeException>(() => ReplicationLabels.Of(ones(2, 2), ones(3, 2), threshold: 0))
                .Message
        );
        Assert.StartsWith(
            "threshold must be at most 1, was 2",
            Assert
                .Throws<ArgumentOutOfRangeException>(() => ReplicationLabels.Of(ones(2, 2), ones(3, 2), threshold: 2))
                .Message
        );
    }
}
