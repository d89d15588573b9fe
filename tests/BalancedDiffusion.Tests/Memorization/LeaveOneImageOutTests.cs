using BalancedDiffusion.Memorization;

namespace BalancedDiffusion.Tests.Memorization;

public class LeaveOneImageOutTests
{
    // Memorized samples of images 1 and 2, two each, then four new samples.
    private static readonly bool[] Labels = [true, true, true, true, false, false, false, false];
    private static readonly int[] Images = [1, 1, 2, 2, 0, 0, 0, 0];

    [Fact]
    public void ASettingThatShoutsAtOneImageIsJudgedOnTheOther()
    {
        // Each setting ranks the samples of one image perfectly and puts those of the other below everything.
        ScoredDetector one = new("one", [9, 9, -1, -1, 0, 0, 0, 0]),
            two = new("two", [-1, -1, 9, 9, 0, 0, 0, 0]);
        var result = LeaveOneImageOut.Run([one, two], Labels, Images, 1, 50);
        Assert.Equal(0, result.Auroc.Estimate);
        Assert.Equal(["two", "one"], result.Folds.Select(f => f.Chosen));
        Assert.Equal(2, result.Choices);
    }

    [Fact]
    public void OneSettingIsTheMeanAreaOfItsFoldsAgainstTheSecondHalfOfTheNewSamples()
    {
        // New samples judged on: the second and the fourth, scores 2 and 4. Copies 3 and 5 win 1 and 2 of 2, copies 1
        // and 9 win 0 and 2.
        var result = LeaveOneImageOut.Run([new("only", [3, 5, 1, 9, 100, 2, 100, 4])], Labels, Images, 1, 200);
        Assert.Equal((0.75 + 0.5) / 2, result.Auroc.Estimate, 12);
        Assert.InRange(result.Auroc.Estimate, result.Auroc.Low, result.Auroc.High);
        Assert.Equal(1, result.TruePositiveRateAt(1), 12);
        Assert.Equal("only", result.Usual);
    }

    [Fact]
    public void WhatCannotBeFoldedIsRefused()
    {
        ScoredDetector fine = new("a", [1, 2, 3, 4, 5, 6, 7, 8]);
        Assert.Contains(
            "was empty",
            Assert.Throws<ArgumentException>(() => LeaveOneImageOut.Run([], Labels, Images, 1)).Message
        );
        Assert.Contains(
            "at least two images",
            Assert
                .Throws<ArgumentException>(() => LeaveOneImageOut.Run([fine], Labels, [1, 1, 1, 1, 0, 0, 0, 0], 1))
                .Message
        );
        Assert.Contains(
            "'b' has 1",
            Assert
                .Throws<ArgumentException>(() => LeaveOneImageOut.Run([fine, new("b", [1])], Labels, Images, 1))
                .Message
        );
        Assert.Contains(
            "need as many images",
            Assert.Throws<ArgumentException>(() => LeaveOneImageOut.Run([fine], Labels, [1], 1)).Message
        );
    }
}
