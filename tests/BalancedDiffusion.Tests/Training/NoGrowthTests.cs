using System.Globalization;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Tests.Denoisers;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Training;

/// <summary>Long runs leave as many live tensors as they had after their first hundred turns, and the memory of the
/// process within 20 MB.</summary>
[Collection(nameof(AloneInTheProcess))]
public class NoGrowthTests
{
    private const long Allowed = 20L << 20;

    private static (long Tensors, long Memory) Now()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        // The second number of statm counts resident pages, of 4 KB where the tests run.
        var memory = OperatingSystem.IsLinux()
            ? long.Parse(File.ReadAllText("/proc/self/statm").Split(' ')[1], CultureInfo.InvariantCulture)
                * Environment.SystemPageSize
            : Environment.WorkingSet;
        return (DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount, memory);
    }

    private static void AssertNoGrowth((long Tensors, long Memory) early, (long Tensors, long Memory) late)
    {
        Assert.Equal(early.Tensors, late.Tensors);
        Assert.True(
            late.Memory - early.Memory < Allowed,
            $"resident memory grew by {(late.Memory - early.Memory) >> 20} MB"
        );
    }

    private static void Train<TModel>(TModel model, int dimension, TrainingOptions options)
        where TModel : torch.nn.Module, IDenoiser
    {
        using var data = GaussianNoise.Draw([500, dimension], 1);
        (long, long) early = default,
            late = default;
        // Told at a row, in the middle of a run, when its buffers are alive.
        Trainer
            .Fit(
                model,
                data,
                options with
                {
                    LogEvery = 100,
                },
                new CallbackProgress<TrainingProgress>(p =>
                {
                    if (p.Step == 100)
                        early = Now();
                    if (p.Step == options.Steps)
                        late = Now();
                })
            )
            .Dispose();
        AssertNoGrowth(early, late);
    }

    private static readonly TrainingOptions Everything = new()
    {
        Steps = 20_000,
        BatchSize = 16,
        EmaDecay = 0.9,
        GradientClip = 1,
        Noise = new LogUniformSigma(0.1, 1),
        Regularization = Regularization.FromWeightDecay(1e-3),
    };

    [Fact]
    public void TwentyThousandStepsByHand()
    {
        using var model = new ReluDae(24, 10, 3);
        Train(model, 24, Everything);
        Train(model, 24, new TrainingOptions { Steps = 20_000, BatchSize = 16 });
    }

    [Fact]
    public void TwentyThousandStepsWithAGraph()
    {
        using var model = new ReluDae(24, 10, 3);
        using var coat = new CoatedDae(model);
        Train(coat, 24, Everything);
    }

    [Fact]
    public void AThousandStepsByHandAtTheWidthOfThePaper()
    {
        using var model = new ReluDae(1024, 100, 3);
        Train(model, 1024, TrainingRecipes.AuthorsGeneralizing with { Steps = 1000 });
    }

    [Fact]
    public void TwoThousandRunsOfSamplers()
    {
        using var model = new ReluDae(64, 10, 3);
        ISampler[] samplers = [new EulerSampler(), new HeunSampler(), new DdpmSampler(), new DpmSolverSampler()];
        var levels = new KarrasSchedule(max: 2, min: 0.02).Levels(8);
        (long, long) early = default;
        for (var run = 0; run < 2000; run++)
        {
            samplers[run % samplers.Length].Draw(model, 16, levels, seed: run).Dispose();
            if (run == 99)
                early = Now();
        }
        AssertNoGrowth(early, Now());
    }
}
