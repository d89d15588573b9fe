using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Theory;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Runtime;

/// <summary>The host's token is that of the test's own flow, so that tests beside these go on.</summary>
public class SafePointTests
{
    private static readonly AsyncLocal<CancellationToken> Own = new();

    static SafePointTests() => SafePoint.Source = () => Own.Value;

    // Stops the host from the third call on.
    private sealed class Stopping(CancellationTokenSource stop) : IDenoiser
    {
        public int Calls { get; private set; }

        public IReadOnlyList<long> SampleShape => [2];

        public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma)
        {
            if (++Calls == 3)
                stop.Cancel();
            return noisy * 0.5;
        }
    }

    [Fact]
    public void WhatIsAskedForIsDoneOnceOnAThreadThatPasses()
    {
        var done = new List<int>();
        SafePoint.Ask(() => done.Add(Environment.CurrentManagedThreadId));
        // Another test's loop may pass first.
        SafePoint.Serve();
        SpinWait.SpinUntil(() => done.Count > 0, TimeSpan.FromSeconds(30));
        SafePoint.Serve();
        Assert.Single(done);
        Assert.Throws<ArgumentNullException>(() => SafePoint.Ask(null!));
    }

    [Fact]
    public void WithoutAHostNothingStops()
    {
        Assert.False(SafePoint.Token.CanBeCanceled);
        SafePoint.Pass();
    }

    [Fact]
    public void ASamplerStopsWithItsHost()
    {
        using var stop = new CancellationTokenSource();
        Own.Value = stop.Token;
        var denoiser = new Stopping(stop);
        var thrown = Assert.Throws<OperationCanceledException>(() =>
            new EulerSampler().Draw(denoiser, 4, new GeometricSchedule(10, 0.1).Levels(1000), seed: 1)
        );
        Assert.Equal((stop.Token, 3), (thrown.CancellationToken, denoiser.Calls));
    }

    [Fact]
    public void ATrainingStopsWithItsHostAndIsSaved()
    {
        var folder = Directory.CreateTempSubdirectory("safe-point-");
        try
        {
            using var scope = torch.NewDisposeScope();
            using var stop = new CancellationTokenSource();
            Own.Value = stop.Token;
            using var model = new ReluDae(6, 5, 3);
            var data = torch.randn([8, 6]);
            var options = new TrainingOptions
            {
                Steps = 1_000_000,
                BatchSize = 4,
                LogEvery = 10,
                CheckpointPath = Path.Combine(folder.FullName, "kept.safetensors"),
            };
            var thrown = Assert.Throws<OperationCanceledException>(() =>
                Trainer.Fit(model, data, options, new StopAt(30, stop))
            );
            Assert.Equal("the training was stopped after step 30 of 1000000", thrown.Message);
            Own.Value = default;
            // It goes on from what was saved: one row is new.
            using var rest = Trainer.Fit(model, data, options with { Steps = 40 });
            Assert.Equal(40, rest.StepsDone);
            Assert.Equal([10L, 20, 30, 40], rest.History.Select(r => r.Step));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void AnExactMinimizerStopsWithItsHost()
    {
        using var stop = new CancellationTokenSource();
        Own.Value = stop.Token;
        var calls = 0;
        Assert.Throws<OperationCanceledException>(() =>
            Lanczos.Smallest(
                v =>
                {
                    if (++calls == 3)
                        stop.Cancel();
                    return [.. v.Select((x, i) => x * (i + 1))];
                },
                100,
                seed: 1,
                tolerance: 1e-12
            )
        );
        Assert.Equal(3, calls);
    }

    private sealed class StopAt(long step, CancellationTokenSource stop) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.Row.Step == step)
                stop.Cancel();
        }
    }
}
