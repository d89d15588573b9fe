using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Memorization;
using TorchSharp;
using static BalancedDiffusion.Tests.Memorization.DetectorLab;

namespace BalancedDiffusion.Tests.Memorization;

public class ConditionNormDetectorTests
{
    /// <summary>Answers the number of the class everywhere, and 0 under no class.</summary>
    private sealed class Counting(long classes) : IClassDenoiser
    {
        public List<long[]> Seen { get; } = [];
        public IReadOnlyList<long> SampleShape => [4];
        public long Classes => classes;

        public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma) => torch.zeros_like(noisy);

        public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma, torch.Tensor labels)
        {
            Seen.Add(labels.data<long>().ToArray());
            return torch.ones_like(noisy) * labels.to_type(noisy.dtype).unsqueeze(1);
        }
    }

    [Fact]
    public void TheScoreIsTheLengthOfWhatTheConditionAddsOverSigmaAndTheRootOfTheDimension()
    {
        using var scope = torch.NewDisposeScope();
        var samples = Normal(1, 5, 4);
        // Answers 3 y and y: the condition adds 2 y, of length 2 ‖x + sigma eps‖.
        var detector = new ConditionNormDetector((_, _) => Scaled(4, 3), Identity(4), 1e-6, draws: 2);
        var expected = samples.norm(1).mul(2 / (1e-6 * Math.Sqrt(4)));
        Assert.True((detector.Score(samples, 7) / expected - 1).abs().max().item<double>() < 1e-5);
        Assert.Equal("norm of the condition, sigma 1E-06", detector.Name);
        Assert.All(
            Scores(new ConditionNormDetector((_, _) => Identity(4), Identity(4), 0.5), samples),
            score => Assert.Equal(0, score)
        );
    }

    [Fact]
    public void EverySampleMeetsItsOwnClassInWhateverBatchItStands()
    {
        using var scope = torch.NewDisposeScope();
        var model = new Counting(10);
        long[] classes = [3, 0, 7, 7, 1, 9];
        var detector = new ConditionNormDetector(model, classes, model, 0.5);
        var samples = Normal(2, 6, 4);
        Assert.Equal(classes.Select(c => c / 0.5), Scores(detector, samples));
        Assert.Equal([14.0, 2, 18], Scores(detector, samples[3..], firstIndex: 3));
        Assert.Equal([7L, 1, 9], model.Seen[^1]);
        var rows = DetectionBenchmark.Run(
            [detector],
            samples,
            [true, false, true, true, false, true],
            1,
            bootstrap: 10,
            batch: 4
        );
        Assert.Equal(1, rows[0].Auroc.Estimate);
        classes[0] = 8;
        Assert.Equal(6, Scores(detector, samples[..1])[0]);
    }

    [Fact]
    public void AModelWithoutAConditionIsRefusedInOneSentence()
    {
        using var scope = torch.NewDisposeScope();
        var model = new Counting(10);
        Assert.StartsWith(
            "the model knows no classes, so there is no condition to take the norm of; use NoiseNormDetector",
            Assert.Throws<ArgumentException>(() => new ConditionNormDetector(new Counting(0), [1], model, 0.5)).Message
        );
        Assert.StartsWith(
            "labels must hold the class of each sample",
            Assert.Throws<ArgumentException>(() => new ConditionNormDetector(model, [], model, 0.5)).Message
        );
        Assert.StartsWith(
            "a class must be 0 to 9, was 10",
            Assert
                .Throws<ArgumentOutOfRangeException>(() => new ConditionNormDetector(model, [1, 10], model, 0.5))
                .Message
        );
        Assert.StartsWith(
            "labels are given for samples 0 to 1, and sample 2 is scored",
            Assert
                .Throws<ArgumentException>(() =>
                    new ConditionNormDetector(model, [1, 2], model, 0.5).Score(Normal(1, 3, 4), 1)
                )
                .Message
        );
        Assert.StartsWith(
            "sigma must be positive",
            Assert
                .Throws<ArgumentOutOfRangeException>(() => new ConditionNormDetector((_, _) => model, model, 0))
                .Message
        );
        Assert.StartsWith(
            "draws must be at least 1",
            Assert
                .Throws<ArgumentOutOfRangeException>(() => new ConditionNormDetector((_, _) => model, model, 1, 0))
                .Message
        );
    }

    [Fact]
    public void BaselinesThatDoNotApplySaySo()
    {
        using var scope = torch.NewDisposeScope();
        var model = new Counting(10);
        var all = DetectionBaselines.For(model, [1, 2, 3], model, 0.1, 2);
        Assert.Equal(["Wen 2024", "Ross 2025", "Carlini 2023", "noise norm"], all.Select(b => b.Method));
        Assert.All(all, b => Assert.True(b.Detector is not null && b.WhyNot is null));
        Assert.Equal(all.Count, all.Select(b => b.Detector!.Name).Distinct().Count());
        Assert.All(all, b => Assert.Equal(3, Scores(b.Detector!, Normal(1, 3, 4)).Length));
        foreach (
            var without in new[]
            {
                DetectionBaselines.For(new Counting(0), [1], model, 0.1, 2)[0],
                DetectionBaselines.For(Identity(4), 0.1, 2)[0],
            }
        )
        {
            Assert.Null(without.Detector);
            Assert.StartsWith("compares the score under a condition with that under none", without.WhyNot);
        }
    }
}
