using BalancedDiffusion.Datasets.Mixtures;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Sampling;
using MathNet.Numerics;
using MathNet.Numerics.Distributions;
using TorchSharp;

namespace BalancedDiffusion.Tests.Sampling;

public class SamplerOrderTests(ITestOutputHelper output)
{
    public static TheoryData<string, double, double> Orders =>
        new()
        {
            { nameof(EulerSampler), 1, 0.15 },
            { nameof(DdimSampler), 1, 0.15 },
            { nameof(HeunSampler), 2, 0.25 },
            { nameof(DpmSolverSampler), 2, 0.25 },
        };

    [Theory]
    [MemberData(nameof(Orders))]
    public void TheErrorOfTheFlowFallsWithTheOrderOfTheMethod(string name, double order, double tolerance)
    {
        using var scope = torch.NewDisposeScope();
        using var mixture = new GaussianMixture(
            GaussianComponent.LowRank(1, torch.tensor([-1.0]), torch.ones(1, 1), torch.tensor([0.09]), 0),
            GaussianComponent.LowRank(3, torch.tensor([2.0]), torch.ones(1, 1), torch.tensor([0.25]), 0)
        );
        double Below(double x, double s) =>
            0.25 * Normal.CDF(-1, Math.Sqrt(0.09 + s * s), x) + 0.75 * Normal.CDF(2, Math.Sqrt(0.25 + s * s), x);
        // The flow in one dimension keeps quantiles: its end is where the final distribution has the start's
        // probability below.
        double[] starts = [-4, -2, 0.5, 3, 6];
        var exact = starts
            .Select(x =>
            {
                var (low, high) = (-20.0, 20.0);
                for (var i = 0; i < 100; i++)
                    (low, high) =
                        Below((low + high) / 2, 0.1) < Below(x, 4) ? ((low + high) / 2, high) : (low, (low + high) / 2);
                return low;
            })
            .ToArray();
        var sampler = SamplerLab.Deterministic.Single(s => s.GetType().Name == name);
        double Error(INoiseSchedule schedule, int steps)
        {
            var sigmas = schedule.Levels(steps + 1).Take(steps + 1).ToArray();
            var ends = sampler
                .Sample(new MixtureDenoiser(mixture), torch.tensor(starts).unsqueeze(1), sigmas)
                .data<double>()
                .ToArray();
            return ends.Zip(exact, (a, b) => Math.Abs(a - b)).Max();
        }
        int[] counts = [80, 160, 320];
        foreach (var schedule in new INoiseSchedule[] { new KarrasSchedule(4, 0.1), new GeometricSchedule(4, 0.1) })
        {
            var errors = counts.Select(n => Error(schedule, n)).ToArray();
            var (_, slope) = Fit.Line(
                [.. counts.Select(n => Math.Log((double)n))],
                [.. errors.Select(e => Math.Log(e))]
            );
            output.WriteLine(
                $"{name} over {schedule}: errors {string.Join(", ", errors.Select(e => e.ToString("g3")))}, "
                    + $"order {-slope:f3}"
            );
            Assert.True(errors[^1] < 0.02, $"error {errors[^1]}");
            Assert.InRange(-slope, order - tolerance, order + tolerance);
        }
    }
}
