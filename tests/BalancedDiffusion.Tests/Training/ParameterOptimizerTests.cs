using BalancedDiffusion.Runtime;
using BalancedDiffusion.Training;
using TorchSharp;
using TorchSharp.Modules;
using OptimizerOptions = BalancedDiffusion.Training.OptimizerOptions;

namespace BalancedDiffusion.Tests.Training;

public class ParameterOptimizerTests
{
    public static TheoryData<string> Rules =>
        ["sgd", "momentum", "nesterov", "adam", "adam-other", "adamw", "rmsprop", "rmsprop-momentum"];

    private static OptimizerOptions Options(string rule) =>
        rule switch
        {
            "sgd" => OptimizerOptions.Sgd(),
            "momentum" => OptimizerOptions.Sgd(0.9),
            "nesterov" => OptimizerOptions.Sgd(0.8, nesterov: true),
            "adam" => OptimizerOptions.Adam(),
            "adam-other" => OptimizerOptions.Adam(0.5, 0.9, 1e-3),
            "adamw" => OptimizerOptions.AdamW(),
            "rmsprop" => OptimizerOptions.RmsProp(),
            _ => OptimizerOptions.RmsProp(0.9, 1e-6, 0.7),
        };

    private static torch.optim.Optimizer Torch(string rule, Parameter[] p, double rate, double decay) =>
        rule switch
        {
            "sgd" => torch.optim.SGD(p, rate, weight_decay: decay),
            "momentum" => torch.optim.SGD(p, rate, 0.9, weight_decay: decay),
            "nesterov" => torch.optim.SGD(p, rate, 0.8, weight_decay: decay, nesterov: true),
            "adam" => torch.optim.Adam(p, rate, weight_decay: decay),
            "adam-other" => torch.optim.Adam(p, rate, 0.5, 0.9, 1e-3, decay),
            "adamw" => torch.optim.AdamW(p, rate, weight_decay: decay),
            "rmsprop" => torch.optim.RMSProp(p, rate, weight_decay: decay),
            _ => torch.optim.RMSProp(p, rate, 0.9, 1e-6, decay, 0.7),
        };

    // f(a, b) = Σ cos(a) + ‖b - 1‖²/2 + 0.1 Σ a_0 b: its gradients are known, of both signs, and never settle in
    // fifty steps.
    private static torch.Tensor[] Gradients(torch.Tensor a, torch.Tensor b) =>
        [a.sin().neg() + 0.1 * b.sum(), b - 1 + 0.1 * a.sum()];

    private static (torch.Tensor A, torch.Tensor B) Start(torch.ScalarType type)
    {
        using var generator = Seeds.Generator(7);
        // Several whole vectors of numbers and a part of one; a part alone.
        return (
            torch.randn([5, 7], dtype: type, generator: generator),
            torch.randn([3], dtype: type, generator: generator)
        );
    }

    // The same numbers with other strides, so that the update is made of torch's operations.
    private static torch.Tensor Strided(torch.Tensor t) => torch.stack([t, t], -1)[torch.TensorIndex.Ellipsis, 0];

    [Theory, MemberData(nameof(Rules))]
    public void FiftyUpdatesEqualTorchs(string rule)
    {
        foreach (var (type, tolerance) in new[] { (torch.float32, 2e-6), (torch.float64, 1e-12) })
        foreach (var decay in new[] { 0.0, 0.05 })
        foreach (var onePass in new[] { true, false })
        {
            using var scope = torch.NewDisposeScope();
            var (a, b) = Start(type);
            Parameter p = new(a.clone()),
                q = new(b.clone());
            using var theirs = Torch(rule, [p, q], 0.01, decay);
            using var ours = new ParameterOptimizer(Options(rule), [("a", a), ("b", b)]);
            for (var step = 0; step < 50; step++)
            {
                var gradients = Gradients(a, b);
                using (torch.no_grad())
                {
                    p.grad = gradients[0].clone();
                    q.grad = gradients[1].clone();
                }
                theirs.step();
                ours.Step(onePass ? gradients : [.. gradients.Select(Strided)], 0.01, decay);
            }
            Assert.True(
                (a - p).abs().max().to_type(torch.float64).item<double>() < tolerance,
                $"{rule}, decay {decay}, {type}, one pass {onePass}: off by "
                    + $"{(a - p).abs().max().to_type(torch.float64).item<double>()}"
            );
            Assert.True(
                (b - q).abs().max().to_type(torch.float64).item<double>() < tolerance,
                $"{rule}, decay {decay}, {type}, one pass {onePass}: off by "
                    + $"{(b - q).abs().max().to_type(torch.float64).item<double>()}"
            );
            var (a0, _) = Start(type);
            Assert.True((a - a0).abs().max().to_type(torch.float64).item<double>() > 1e-3);
            Assert.Equal(50, ours.StepsDone);
        }
    }

    [Theory, MemberData(nameof(Rules))]
    public void ARestoredStateGoesOnBitForBit(string rule)
    {
        using var scope = torch.NewDisposeScope();
        var (a, b) = Start(torch.float32);
        using var whole = new ParameterOptimizer(Options(rule), [("a", a), ("b", b)]);
        for (var step = 0; step < 7; step++)
            whole.Step(Gradients(a, b), 0.01, 0.1);
        torch.Tensor a2 = a.clone(),
            b2 = b.clone();
        using var second = new ParameterOptimizer(Options(rule), [("a", a2), ("b", b2)]);
        second.Restore(whole.StepsDone, whole.State.ToDictionary(s => s.Key, s => s.Value.clone()));
        for (var step = 0; step < 5; step++)
        {
            whole.Step(Gradients(a, b), 0.01, 0.1);
            second.Step(Gradients(a2, b2), 0.01, 0.1);
        }
        Assert.True(a.equal(a2).all().item<bool>() && b.equal(b2).all().item<bool>());
    }

    [Fact]
    public void AParameterWithoutAGradientStaysAsItIs()
    {
        using var scope = torch.NewDisposeScope();
        var (a, b) = Start(torch.float32);
        var before = a.clone();
        using var optimizer = new ParameterOptimizer(OptimizerOptions.AdamW(), [("a", a), ("b", b)]);
        optimizer.Step([null, torch.ones_like(b)], 0.1, 0.5);
        Assert.True(a.equal(before).all().item<bool>());
    }

    [Fact]
    public void TheGradientsAreOnlyRead()
    {
        using var scope = torch.NewDisposeScope();
        foreach (var rule in Rules)
        {
            var (a, b) = Start(torch.float32);
            torch.Tensor[] gradients = [torch.ones_like(a), torch.ones_like(b)];
            using var optimizer = new ParameterOptimizer(Options(rule), [("a", a), ("b", b)]);
            optimizer.Step(gradients, 0.1, 0.5);
            Assert.True((gradients[0] == 1).all().item<bool>(), rule);
        }
    }

    [Fact]
    public void AStateOfAnotherRuleOrShapeIsRefusedByName()
    {
        using var scope = torch.NewDisposeScope();
        var (a, b) = Start(torch.float32);
        using var sgd = new ParameterOptimizer(OptimizerOptions.Sgd(0.9), [("a", a), ("b", b)]);
        using var adam = new ParameterOptimizer(OptimizerOptions.Adam(), [("a", a), ("b", b)]);
        Assert.Contains(
            "'second.a'",
            Assert
                .Throws<ArgumentException>(() => adam.Restore(1, sgd.State.ToDictionary(s => s.Key, s => s.Value)))
                .Message
        );
        using var other = new ParameterOptimizer(OptimizerOptions.Adam(), [("a", b), ("b", b)]);
        Assert.Contains(
            "'first.a'",
            Assert
                .Throws<ArgumentException>(() => other.Restore(1, adam.State.ToDictionary(s => s.Key, s => s.Value)))
                .Message
        );
    }

    [Theory]
    [InlineData(1.0), InlineData(-0.1), InlineData(double.NaN), InlineData(double.PositiveInfinity)]
    public void ConstantsOutsideTheirRangeAreNamed(double bad)
    {
        Assert.Contains("beta1", Assert.Throws<ArgumentOutOfRangeException>(() => OptimizerOptions.Adam(bad)).Message);
        Assert.Contains(
            "beta2",
            Assert.Throws<ArgumentOutOfRangeException>(() => OptimizerOptions.AdamW(beta2: bad)).Message
        );
        Assert.Contains(
            "alpha",
            Assert.Throws<ArgumentOutOfRangeException>(() => OptimizerOptions.RmsProp(bad)).Message
        );
        Assert.Contains(
            "momentum",
            Assert.Throws<ArgumentOutOfRangeException>(() => OptimizerOptions.Sgd(bad)).Message
        );
        if (bad != 1.0)
            Assert.Contains(
                "epsilon",
                Assert.Throws<ArgumentOutOfRangeException>(() => OptimizerOptions.Adam(epsilon: bad)).Message
            );
    }

    [Fact]
    public void NesterovNeedsMomentum() =>
        Assert.Contains("nesterov", Assert.Throws<ArgumentException>(() => OptimizerOptions.Sgd(0, true)).Message);
}
