using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Training;
using BenchmarkDotNet.Attributes;
using TorchSharp;

namespace BalancedDiffusion.Benchmarks;

/// <summary>
/// A training step of the generalizing ReLU-DAE: d = 1024, p = 100, tied, batches of 256 of 10,000 samples, Adam. The
/// column Ratio counts in steps of <see cref="Trainer"/>. The goals on two cores, which nothing enforces: the eager
/// loop at 2 or more, the loop in Python at 1.3 or more with either number of threads, and the floor at 0.71 or more,
/// so that a step takes at most 1.4 times the floor.
/// <para>The floor is what no step can do without, each part over and over by itself, so that its numbers stay in the
/// cache: five matrix products into tensors that are there, one batch of normal numbers by the fastest generator of the
/// library, and one pass over the parameters that reads four numbers and writes three, as copies of as many
/// bytes.</para>
/// </summary>
public class TrainingBenchmarks
{
    private const string Step = "A training step";
    private const int Dimension = 1024,
        Units = 100,
        Batch = 256,
        Samples = 10_000;
    private const int FitSteps = 500,
        Repeats = 100;

    private torch.Tensor data = null!,
        noisy = null!,
        weights = null!,
        weightsT = null!,
        code = null!,
        codeT = null!,
        codeDelta = null!,
        codeDeltaT = null!,
        error = null!,
        gradient = null!;
    private readonly float[] source = new float[Units * Dimension * 7 / 2],
        target = new float[Units * Dimension * 7 / 2];
    private ReluDae model = null!;
    private AuthorsLoop loop = null!;
    private PythonLoop? python;

    /// <summary>Makes the data, the models and the tensors of the floor.</summary>
    [GlobalSetup]
    public void Setup()
    {
        data = GaussianNoise.Draw([Samples, Dimension], 1);
        model = new ReluDae(Dimension, Units, seed: 1);
        loop = new AuthorsLoop(data, Batch, parameters => torch.optim.Adam(parameters, 1e-4, weight_decay: 1e-4));
        noisy = GaussianNoise.Draw([Batch, Dimension], 2);
        weights = GaussianNoise.Draw([Units, Dimension], 3);
        weightsT = weights.t();
        code = GaussianNoise.Draw([Batch, Units], 4);
        codeT = code.t();
        codeDelta = GaussianNoise.Draw([Batch, Units], 5);
        codeDeltaT = codeDelta.t();
        error = GaussianNoise.Draw([Batch, Dimension], 6);
        gradient = torch.zeros(Units, Dimension);
    }

    /// <summary>Starts the loop in Python with one thread.</summary>
    [GlobalSetup(Target = nameof(PythonOne))]
    public void SetupPythonOne() => python = new PythonLoop(1);

    /// <summary>Starts the loop in Python with two threads.</summary>
    [GlobalSetup(Target = nameof(PythonTwo))]
    public void SetupPythonTwo() => python = new PythonLoop(2);

    /// <summary>Frees everything.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        foreach (
            var tensor in new[] { data, noisy, weights, weightsT, code, codeT, codeDelta, codeDeltaT, error, gradient }
        )
            tensor.Dispose();
        loop.Dispose();
        model.Dispose();
    }

    /// <summary>Ends the loop in Python.</summary>
    [GlobalCleanup(Targets = [nameof(PythonOne), nameof(PythonTwo)])]
    public void CleanupPython() => python!.Dispose();

    /// <summary>The library's step, with all that a run does besides.</summary>
    [
        Benchmark(Baseline = true, Description = "Trainer.Fit", OperationsPerInvoke = FitSteps),
        BenchmarkCategory(Step),
        Samples(Batch)
    ]
    public void Fit() =>
        Trainer.Fit(model, data, TrainingRecipes.AuthorsGeneralizing with { Steps = FitSteps }).Dispose();

    /// <summary>The plain loop as the authors write it, on the same libtorch.</summary>
    [Benchmark(Description = "eager loop", OperationsPerInvoke = Repeats), BenchmarkCategory(Step), Samples(Batch)]
    public void Eager() => loop.Train(Repeats);

    /// <summary>The floor, one part after the other.</summary>
    [Benchmark(Description = "floor", OperationsPerInvoke = Repeats), BenchmarkCategory(Step)]
    public void Floor()
    {
        Products();
        Normals();
        Update();
    }

    /// <summary>Encode, decode, and three products backwards.</summary>
    [Benchmark(Description = "  five products", OperationsPerInvoke = Repeats), BenchmarkCategory(Step)]
    public void Products()
    {
        using var noGrad = torch.no_grad();
        for (var i = 0; i < Repeats; i++)
        {
            code.addmm_(noisy, weightsT, beta: 0, alpha: 1);
            error.addmm_(code, weights, beta: 0, alpha: 1);
            codeDelta.addmm_(error, weightsT, beta: 0, alpha: 1);
            gradient.addmm_(codeT, error, beta: 0, alpha: 1);
            gradient.addmm_(codeDeltaT, noisy, beta: 0, alpha: 1);
        }
    }

    /// <summary>A batch of normal numbers.</summary>
    [Benchmark(Description = "  normal numbers", OperationsPerInvoke = Repeats), BenchmarkCategory(Step)]
    public void Normals()
    {
        for (var i = 0; i < Repeats; i++)
            GaussianNoise.FillEach(noisy, 1, 0, i);
    }

    /// <summary>As many bytes as an update of Adam moves.</summary>
    [Benchmark(Description = "  update", OperationsPerInvoke = Repeats), BenchmarkCategory(Step)]
    public void Update()
    {
        for (var i = 0; i < Repeats; i++)
            source.AsSpan().CopyTo(target);
    }

    /// <summary>The loop in Python, one thread.</summary>
    [
        Benchmark(Description = "Python, 1 thread", OperationsPerInvoke = Repeats),
        BenchmarkCategory(Step),
        Samples(Batch),
        NeedsPython
    ]
    public void PythonOne() => python!.Train(Repeats);

    /// <summary>The loop in Python, two threads.</summary>
    [
        Benchmark(Description = "Python, 2 threads", OperationsPerInvoke = Repeats),
        BenchmarkCategory(Step),
        Samples(Batch),
        NeedsPython
    ]
    public void PythonTwo() => python!.Train(Repeats);
}
