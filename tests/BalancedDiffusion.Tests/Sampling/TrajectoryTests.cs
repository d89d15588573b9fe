using BalancedDiffusion.Noise;
using BalancedDiffusion.Sampling;
using TorchSharp;

namespace BalancedDiffusion.Tests.Sampling;

public class TrajectoryTests
{
    private static readonly IReadOnlyList<double> Sigmas = new GeometricSchedule(4, 0.1).Levels(9);
    private static readonly SamplerLab.From Denoiser = SamplerLab.Gaussian(3, 0.5, 0.4);

    [Fact]
    public void ItHoldsThePointsAndEstimatesOfTheFirstSamplesOverAllBatches()
    {
        foreach (var sampler in SamplerLab.All)
        {
            using var scope = torch.NewDisposeScope();
            using var path = new Trajectory(every: 4, rows: 5);
            var samples = sampler.Draw(
                Denoiser,
                7,
                Sigmas,
                new SamplingOptions
                {
                    Seed = 2,
                    BatchSize = 3,
                    Record = path,
                }
            );
            Assert.Equal([0, 4, 8], path.Steps);
            Assert.Equal([Sigmas[0], Sigmas[4], Sigmas[8]], path.Sigmas);
            Assert.Equal(5, path.Rows);
            Assert.All(path.Points.Concat(path.Estimates), t => Assert.Equal([5L, 3], t.shape));
            Assert.True(torch.allclose(path.Points[0], SamplerExtensions.Starts([3], 7, 4, 2).narrow(0, 0, 5)));
            // A run that goes on from a recorded point with a deterministic method ends on the same samples.
            if (SamplerLab.Deterministic.Contains(sampler) && sampler is not DpmSolverSampler)
                Assert.True(
                    torch.allclose(
                        samples.narrow(0, 0, 5),
                        sampler.Sample(Denoiser, path.Points[1], [.. Sigmas.Skip(4)]),
                        1e-5,
                        1e-6
                    )
                );
            // The estimate is that of the recorded point, but after churn, where noise comes between.
            if (sampler is not HeunSampler { Churn: > 0 })
                for (var i = 0; i < 3; i++)
                    Assert.True(
                        torch.allclose(
                            path.Estimates[i],
                            Denoiser.Denoise(path.Points[i], torch.tensor(path.Sigmas[i])),
                            1e-5,
                            1e-6
                        )
                    );
        }
    }

    [Fact]
    public void RecordingChangesNoSampleAndOutlivesTheScopeOfTheRun()
    {
        using var path = new Trajectory([2, 5], rows: 100);
        using (torch.NewDisposeScope())
        {
            var recorded = new ReverseDiffusionSampler().Draw(
                Denoiser,
                4,
                Sigmas,
                new SamplingOptions { Seed = 1, Record = path }
            );
            Assert.Equal(
                new ReverseDiffusionSampler().Draw(Denoiser, 4, Sigmas, 1).data<float>().ToArray(),
                recorded.data<float>().ToArray()
            );
        }
        Assert.Equal(4, path.Rows);
        Assert.True(torch.isfinite(path.Points[1]).all().item<bool>());
        path.Points[1].Dispose();
    }

    [Fact]
    public void AStoppedRunLeavesNothingAndTheNextMayBegin()
    {
        using var scope = torch.NewDisposeScope();
        using var path = new Trajectory();
        var broken = new SamplerLab.From(3, (y, s) => s < 1 ? y * double.NaN : y * 1);
        Assert.Throws<InvalidOperationException>(() =>
            new EulerSampler().Draw(broken, 2, Sigmas, new SamplingOptions { Record = path })
        );
        Assert.Equal((0, 0), (path.Rows, path.Points.Count));
        new EulerSampler().Draw(Denoiser, 2, [3, 1, 0], new SamplingOptions { Record = path });
        Assert.Equal([0, 1], path.Steps);
    }

    [Fact]
    public void BadRequestsAreNamed()
    {
        using var scope = torch.NewDisposeScope();
        string Of(Action act) => Assert.ThrowsAny<Exception>(act).Message;
        Assert.StartsWith("every must be at least 1, was 0", Of(() => new Trajectory(0)));
        Assert.StartsWith("rows must be at least 1, was 0", Of(() => new Trajectory(1, 0)));
        Assert.StartsWith("steps must name at least one step, was empty", Of(() => new Trajectory([])));
        Assert.StartsWith("steps must increase from 0 or above, was 3 at position 1", Of(() => new Trajectory([3, 3])));
        Assert.StartsWith("steps must increase from 0 or above, was -1 at position 0", Of(() => new Trajectory([-1])));
        using var late = new Trajectory([0, 9]);
        Assert.StartsWith(
            "the trajectory asks for step 9, but the run has steps 0 to 8 only",
            Of(() => new EulerSampler().Draw(Denoiser, 1, Sigmas, new SamplingOptions { Record = late }))
        );
        using var full = new Trajectory();
        new EulerSampler().Draw(Denoiser, 1, Sigmas, new SamplingOptions { Record = full });
        Assert.StartsWith(
            "the trajectory already holds another run; give each run a new one",
            Of(() => new EulerSampler().Draw(Denoiser, 1, Sigmas, new SamplingOptions { Record = full }))
        );
    }
}
