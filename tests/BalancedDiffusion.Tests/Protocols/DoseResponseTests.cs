using BalancedDiffusion.Datasets;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Steering;
using BalancedDiffusion.Tests.Steering;
using BalancedDiffusion.Tests.Training;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Protocols;

public class DoseResponseTests
{
    private static readonly double[] Strengths = [-1, 0, 1, 3];

    // A regressor of two numbers: it need not be good, only be the one that is asked.
    private static AttributeRegressor Regressor()
    {
        using var images = new ImageDataset(
            "noise",
            torch.rand(20, 1, 8, 8, generator: new torch.Generator(3)),
            attributes: new Dictionary<string, float[]>
            {
                ["up"] = [.. Enumerable.Range(0, 20).Select(i => (float)i)],
                ["down"] = [.. Enumerable.Range(0, 20).Select(i => 5f - i)],
            }
        );
        return AttributeRegressor.Fit(images, ["up", "down"], new TrainingOptions { Steps = 2, BatchSize = 4 });
    }

    private static (ReluDae Model, SteeringDirection Direction, torch.Tensor Starts) Setting()
    {
        var model = new ReluDae(64, 10, 1);
        var starts = SamplerExtensions.Starts([64], 5, 1.0, 2);
        return (
            model,
            SteeringDirection.FromVectors(
                model,
                new Dictionary<string, double[]> { ["relu"] = [1, 0, 0, 0, 0, 0, 0, 0, 0, 2] }
            ),
            starts
        );
    }

    [Fact]
    public void OneStepOfEulerGivesWhatTheNetworkGivesByHand()
    {
        using var scope = torch.NewDisposeScope();
        var (model, direction, starts) = Setting();
        using var regressor = Regressor();
        using var response = DoseResponse.Run(
            model,
            direction,
            Strengths,
            starts,
            new EulerSampler(),
            [1.0, 0],
            regressor,
            new SamplingOptions { BatchSize = 2 }
        );
        using var noGrad = torch.no_grad();
        var added = torch.tensor(direction["relu"].ToArray(), dtype: torch.float32);
        Assert.Equal([4, 5, 64], response.Images.shape);
        for (var k = 0; k < Strengths.Length; k++)
        {
            var expected = model.Decode(model.Encode(starts) + Strengths[k] * added);
            Assert.True(response.Images[k].allclose(expected, 1e-4, 1e-5));
            var read = regressor.Read(expected.view(5, 1, 8, 8));
            Assert.Equal(
                read[torch.TensorIndex.Colon, 1].contiguous().data<double>().ToArray(),
                response.Readings("down", k),
                (a, b) => Math.Abs(a - b) < 1e-3
            );
            // The activations move by strength times v, so that the picture moves by strength times W v, whatever the
            // start.
            var far = Math.Abs(Strengths[k]) * model.Decode(added.unsqueeze(0)).norm().item<float>();
            Assert.All(response.Moved(k), m => Assert.Equal(far, m, 1e-4));
        }
        // Steps of 1, 1 and 2 along one line: the longest is half of the way.
        Assert.All(response.LargestPixelJump(), j => Assert.Equal(0.5, j, 1e-4));
        Assert.All(response.Changes("up", 1), c => Assert.Equal(0, c));
        foreach (var owned in new IDisposable[] { model, starts })
            owned.Dispose();
    }

    [Fact]
    public void UnsteeredSamplesOfAnEarlierResponseNeedNotBeDrawnAgain()
    {
        var (model, direction, starts) = Setting();
        using (model)
        using (starts)
        {
            using var scope = torch.NewDisposeScope();
            using var regressor = Regressor();
            var first = DoseResponse.Run(
                model,
                direction,
                Strengths,
                starts,
                new DdpmSampler(),
                [1.0, 0.5, 0],
                regressor
            );
            var reports = 0;
            var options = new SamplingOptions { Progress = new CallbackProgress<int>(_ => reports++) };
            var second = DoseResponse.Run(
                model,
                direction,
                Strengths,
                starts,
                new DdpmSampler(),
                [1.0, 0.5, 0],
                regressor,
                options,
                unsteered: first.Unsteered
            );
            Assert.True(second.Images.equal(first.Images).all().item<bool>());
            Assert.Equal(first.Readings("up", 3), second.Readings("up", 3));
            Assert.Equal((Strengths.Length - 1) * 2, reports);
            SteeringLab.Refused<ArgumentException>(
                "unsteered must have shape (5, 64), was (4, 64)",
                () =>
                    DoseResponse.Run(
                        model,
                        direction,
                        Strengths,
                        starts,
                        new DdpmSampler(),
                        [1.0, 0.5, 0],
                        regressor,
                        unsteered: first.Unsteered[..4]
                    )
            );
        }
    }

    [Fact]
    public void MeasuresAreThoseOfTheReadings()
    {
        var (model, direction, starts) = Setting();
        using (model)
        using (starts)
        {
            using var regressor = Regressor();
            using var response = DoseResponse.Run(
                model,
                direction,
                Strengths,
                starts,
                new EulerSampler(),
                [1.0, 0.5, 0],
                regressor
            );
            for (var i = 0; i < response.Count; i++)
            {
                var r = Enumerable.Range(0, 4).Select(k => response.Readings("up", k)[i]).ToArray();
                var steps = new[] { Math.Abs(r[1] - r[0]), Math.Abs(r[2] - r[1]), Math.Abs(r[3] - r[2]) };
                Assert.Equal(steps.Max() / steps.Sum(), response.LargestJump("up")[i], 1e-12);
                Assert.Equal(r[3] - r[1], response.Changes("up", 3)[i], 1e-12);
                // Spearman without ties: 1 - 6 Σ d²/(n (n² - 1)).
                var ranks = r.Select(v => r.Count(w => w < v)).ToArray();
                Assert.Equal(
                    1 - 6.0 * ranks.Select((rank, k) => (rank - k) * (rank - k)).Sum() / 60,
                    response.Monotonicity("up")[i],
                    1e-12
                );
                Assert.Equal(Math.Abs(response.Changes("down", 3)[i]) / 4, response.Leakage("up", 3, [1, 4])[i], 1e-12);
            }
        }
    }

    [Fact]
    public void ACancelledRunLeavesTheNetworkAlone()
    {
        var (model, direction, starts) = Setting();
        using (model)
        using (starts)
        {
            using var regressor = Regressor();
            using var before = model.DenoiseAt(starts, 1);
            using var stop = new CancellationTokenSource();
            var progress = new CallbackProgress<int>(n =>
            {
                if (n == 3)
                    stop.Cancel();
            });
            Assert.ThrowsAny<OperationCanceledException>(() =>
                DoseResponse.Run(
                    model,
                    direction,
                    Strengths,
                    starts,
                    new EulerSampler(),
                    [1.0, 0.5, 0.2, 0],
                    regressor,
                    new SamplingOptions { Progress = progress, Cancellation = stop.Token }
                )
            );
            using var after = model.DenoiseAt(starts, 1);
            Assert.True(before.equal(after).all().item<bool>());
        }
    }

    [Fact]
    public void LeavesNoTensorsBehind()
    {
        var (model, direction, starts) = Setting();
        using (model)
        using (starts)
        {
            using var regressor = Regressor();
            void Once() =>
                DoseResponse
                    .Run(model, direction, Strengths, starts, new EulerSampler(), [1.0, 0], regressor)
                    .Dispose();
            Once();
            var live = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
            Once();
            Assert.Equal(live, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
        }
    }

    [Theory]
    [InlineData(0.0, 1.0)]
    [InlineData(1.0, 2.0, 3.0)]
    [InlineData(0.0, 2.0, 1.0)]
    [InlineData(0.0, 1.0, double.NaN)]
    public void RefusesStrengthsThatMakeNoCurve(params double[] strengths)
    {
        var (model, direction, starts) = Setting();
        using (model)
        using (starts)
        {
            using var regressor = Regressor();
            Assert.Contains(
                "strictly ascending, with 0 among them",
                Assert
                    .Throws<ArgumentException>(() =>
                        DoseResponse.Run(model, direction, strengths, starts, new EulerSampler(), [1.0, 0], regressor)
                    )
                    .Message
            );
        }
    }

    [Fact]
    public void RefusesAReaderOfAnotherSizeAndWhatItDoesNotRead()
    {
        var (model, direction, starts) = Setting();
        using (model)
        using (starts)
        {
            using var regressor = Regressor();
            using var response = DoseResponse.Run(
                model,
                direction,
                Strengths,
                starts,
                new EulerSampler(),
                [1.0, 0],
                regressor
            );
            Assert.Contains(
                "does not read 'age'; it reads up, down",
                Assert.Throws<ArgumentException>(() => response.Readings("age", 0)).Message
            );
            Assert.Contains(
                "from 0 to 3, was 4",
                Assert.Throws<ArgumentOutOfRangeException>(() => response.Moved(4)).Message
            );
            Assert.Contains(
                "scales must be 2 positive numbers",
                Assert.Throws<ArgumentException>(() => response.Leakage("up", 0, [1, 0])).Message
            );
            using var wider = new ReluDae(65, 10, 1);
            using var other = SamplerExtensions.Starts([65], 2, 1.0, 2);
            var wrong = SteeringDirection.FromVectors(
                wider,
                new Dictionary<string, double[]> { ["relu"] = new double[10] }
            );
            Assert.Contains(
                "use one of that size",
                Assert
                    .Throws<ArgumentException>(() =>
                        DoseResponse.Run(wider, wrong, Strengths, other, new EulerSampler(), [1.0, 0], regressor)
                    )
                    .Message
            );
        }
    }
}
