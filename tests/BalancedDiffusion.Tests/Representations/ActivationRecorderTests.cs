using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Tests.Networks;
using TorchSharp;

namespace BalancedDiffusion.Tests.Representations;

public class ActivationRecorderTests
{
    private static readonly DitOptions Little = DitFixtures.Little with { Classes = 0, LearnSigma = false };

    /// <summary>A network of modules with one, two and three inputs, and a convolution.</summary>
    private sealed class Mixed : torch.nn.Module<torch.Tensor, torch.Tensor>
    {
        private readonly torch.nn.Module<torch.Tensor, torch.Tensor> conv = torch.nn.Conv2d(1, 2, 1);
        private readonly Two two = new();
        private readonly Three three = new();

        public Mixed()
            : base(nameof(Mixed)) => RegisterComponents();

        public override torch.Tensor forward(torch.Tensor x) => three.call(two.call(conv.call(x), x), x, x);

        private sealed class Two() : torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor>(nameof(Two))
        {
            public override torch.Tensor forward(torch.Tensor a, torch.Tensor b) => a + b;
        }

        private sealed class Three()
            : torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor>(nameof(Three))
        {
            public override torch.Tensor forward(torch.Tensor a, torch.Tensor b, torch.Tensor c)
            {
                // In place: what was recorded before must not move with it.
                return a.mul_(0).alias();
            }
        }
    }

    private static torch.Tensor Images(long seed, long count = 3) => GaussianNoise.Draw([count, 2, 4, 4], seed);

    private static torch.Tensor Times(long count = 3) => torch.arange(count, dtype: torch.float32);

    [Fact]
    public void ModulesWithOneTwoAndThreeInputsAreRecordedAsTheyWere()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new Mixed();
        var x = GaussianNoise.Draw([2, 1, 3, 3], 1);
        using var recorder = new ActivationRecorder(model, ["conv", "two", "three"]);
        model.call(x);
        var state = model.state_dict();
        var conv = x * state["conv.weight"].reshape(1, 2, 1, 1) + state["conv.bias"].reshape(1, 2, 1, 1);
        Assert.True(recorder.Last("conv").allclose(conv, atol: 1e-6));
        Assert.True(recorder.Last("two").allclose(conv + x, atol: 1e-6));
        Assert.True(recorder.Last("three").eq(0).all().item<bool>());
        Assert.False(recorder.Last("two").requires_grad);
        Assert.Equal(["conv", "two", "three"], ActivationRecorder.ModulesOf(model));
    }

    [Fact]
    public void TheRepresentationOfAReluDaeIsItsModuleRelu()
    {
        using var scope = torch.NewDisposeScope();
        using var dae = new ReluDae(6, 4, 1);
        using var diffusion = new ReluDiffusion(6, 4, 1, 3);
        var y = GaussianNoise.Draw([5, 6], 2);
        foreach (
            var (model, h) in new (torch.nn.Module, torch.Tensor)[]
            {
                (dae, dae.Encode(y)),
                (diffusion, diffusion.Encode(y)),
            }
        )
        {
            using var recorder = new ActivationRecorder(model, ["relu"]);
            ((IDenoiser)model).DenoiseAt(y, 0.2);
            Assert.True(recorder.Last("relu").eq(h).all().item<bool>());
        }
        Assert.Equal(["encoder"], dae.state_dict().Keys);

        // Steering by a hook: h + v decodes to W(h + v).
        var v = GaussianNoise.Draw([4], 3);
        var expected = dae.Decode(dae.Encode(y) + v);
        var relu = (torch.nn.Module<torch.Tensor, torch.Tensor>)
            dae.named_modules().Single(m => m.name == "relu").module;
        var hook = relu.register_forward_hook((_, _, h) => h + v);
        Assert.True(dae.DenoiseAt(y, 0.2).allclose(expected, atol: 1e-6));
        hook.remove();
    }

    [Fact]
    public void APredicateChoosesModulesAndAHistoryKeepsEachStepOfATrajectory()
    {
        using var scope = torch.NewDisposeScope();
        using var denoiser = DitDenoiser.Preconditioned(new Dit(Little, 1));
        using var recorder = new ActivationRecorder(
            denoiser,
            name => name.EndsWith("mlp.act", StringComparison.Ordinal),
            Pooling.TokenMean,
            history: true
        );
        using var trajectory = new Trajectory(rows: 3);
        var sigmas = new GeometricSchedule(2, 0.1).Levels(6);
        using var samples = new EulerSampler().Sample(
            denoiser,
            Images(1) * 2,
            sigmas,
            new SamplingOptions { Record = trajectory }
        );
        Assert.Equal(["network.blocks.0.mlp.act", "network.blocks.1.mlp.act"], recorder.Modules);
        var history = recorder.History("network.blocks.1.mlp.act");
        Assert.Equal(6, history.Count);
        using var whole = new ActivationRecorder(denoiser, ["network.blocks.1.mlp.act"]);
        for (var i = 0; i < 6; i++)
        {
            denoiser.DenoiseAt(trajectory.Points[i], sigmas[i]);
            var activation = whole.Last("network.blocks.1.mlp.act");
            Assert.Equal([3, 4, 32], activation.shape);
            Assert.True(history[i].allclose(activation.mean([1L]), atol: 1e-6), $"step {i}");
        }
        Assert.Single(whole.History("network.blocks.1.mlp.act"));
        recorder.Clear();
        Assert.Contains(
            "has not run",
            Assert.Throws<InvalidOperationException>(() => recorder.Last("network.blocks.1.mlp.act")).Message
        );
    }

    [Fact]
    public void HooksAreGoneAfterDisposeAndAfterAnException()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new Dit(Little, 1);
        var recorder = new ActivationRecorder(model, ["blocks.0"], Pooling.SpatialMax);
        var failure = Assert.Throws<InvalidOperationException>(() => model.call(Images(1), Times(), null));
        Assert.Contains(
            "the output of module 'blocks.0' cannot be recorded: activation must have shape (batch, "
                + "channels, height, width) for SpatialMax, was (3, 4, 8); choose another pooling",
            failure.Message
        );
        recorder.Dispose();
        recorder.Dispose();
        model.call(Images(1), Times(), null);
        Assert.Throws<ObjectDisposedException>(() => recorder.Last("blocks.0"));

        var statistics = new RunningStatistics();
        using (var second = new ActivationRecorder(model, ["blocks.0"], Pooling.TokenMean))
        {
            second.StreamTo("blocks.0", statistics);
            Assert.Throws<ArgumentException>(() => model.call(Images(1), Times(2), null));
            model.call(Images(1), Times(), null);
        }
        model.call(Images(1), Times(), null);
        Assert.Equal(3, statistics.Count);
    }

    [Fact]
    public void WhatIsHandedOutOutlivesTheRecorderAndTheNextCall()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new Dit(Little, 1);
        torch.Tensor h;
        using (var recorder = new ActivationRecorder(model, ["blocks.0.mlp.act"]))
        {
            model.call(Images(1), Times(), null);
            h = recorder.Last("blocks.0.mlp.act");
            var copy = h.clone();
            model.call(Images(2), Times(), null);
            Assert.True(h.eq(copy).all().item<bool>());
            Assert.False(h.eq(recorder.Last("blocks.0.mlp.act")).all().item<bool>());
        }
        Assert.True(h.isfinite().all().item<bool>());
    }

    [Fact]
    public void AThousandForwardsLeaveNoTensorBehind()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = new Dit(Little with { Depth = 1 }, 1);
        var (x, t) = (Images(1, 1), Times(1));
        using var recorder = new ActivationRecorder(model, ["blocks.0.mlp.act", "blocks.0"], Pooling.TokenMean);
        var statistics = new RunningStatistics();
        recorder.StreamTo("blocks.0.mlp.act", statistics);
        model.call(x, t, null).Dispose();
        long Live() => DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        var before = Live();
        for (var i = 0; i < 1000; i++)
            model.call(x, t, null).Dispose();
        Assert.Equal(before, Live());
        // What is counted would have seen them: a history keeps one a call.
        using (var all = new ActivationRecorder(model, ["blocks.0"], history: true))
        {
            for (var i = 0; i < 10; i++)
                model.call(x, t, null).Dispose();
            Assert.Equal(before + 10, Live());
        }
        Assert.Equal(before, Live());
        Assert.Equal((1011, 32, 1011), (statistics.Count, statistics.Units, statistics.LargestShares.Count));
        Assert.Contains(
            "streams to statistics",
            Assert.Throws<InvalidOperationException>(() => recorder.Last("blocks.0.mlp.act")).Message
        );
        Assert.Equal([1, 8], recorder.Last("blocks.0").shape);
    }

    [Fact]
    public void BadInputIsNamedInOneSentence()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new Dit(Little, 1);
        string Message(Action attempt) => Assert.ThrowsAny<ArgumentException>(attempt).Message;
        Assert.StartsWith(
            "the model has no module 'blocks.1.mlp.gelu' that can be recorded; it has 'blocks.1.mlp.",
            Message(() => new ActivationRecorder(model, ["blocks.0", "blocks.1.mlp.gelu"]))
        );
        Assert.StartsWith(
            "the model has no module 'blocks' that can be recorded",
            Message(() => new ActivationRecorder(model, ["blocks"]))
        );
        Assert.StartsWith("modules must name at least one module", Message(() => new ActivationRecorder(model, [])));
        Assert.StartsWith(
            "no module that can be recorded has a name that is wanted; the model has 'x_embedder'",
            Message(() => new ActivationRecorder(model, _ => false))
        );
        Assert.StartsWith(
            "pooling must be None, SpatialMax",
            Message(() => new ActivationRecorder(model, ["blocks.0"], (Pooling)9))
        );
        using var recorder = new ActivationRecorder(model, ["blocks.0"]);
        Assert.StartsWith(
            "the module 'blocks.1' is not recorded; recorded are 'blocks.0'",
            Message(() => recorder.Last("blocks.1"))
        );
        Assert.StartsWith(
            "the module 'blocks.0' has not run",
            Assert.Throws<InvalidOperationException>(() => recorder.History("blocks.0")).Message
        );
        recorder.StreamTo("blocks.0", new RunningStatistics());
        Assert.Contains(
            "'blocks.0' cannot be recorded: statistics take (batch, units), and None gives (3, 4, 8); choose "
                + "another pooling",
            Assert.Throws<InvalidOperationException>(() => model.call(Images(1), Times(), null)).Message
        );
    }
}
