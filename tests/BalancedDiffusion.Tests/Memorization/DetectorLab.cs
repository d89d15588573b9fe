using BalancedDiffusion.Denoisers;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests.Memorization;

/// <summary>Denoisers whose every answer is known.</summary>
internal static class DetectorLab
{
    public sealed class Answers(long[] shape, Func<Tensor, Tensor> answer) : IDenoiser
    {
        public IReadOnlyList<long> SampleShape => shape;

        public Tensor Denoise(Tensor noisy, Tensor sigma) => answer(noisy);
    }

    public static Answers Identity(long dimension) => new([dimension], y => y.clone());

    public static Answers Zero(long dimension) => new([dimension], y => zeros_like(y));

    public static Answers Scaled(long dimension, double factor) => new([dimension], y => y * factor);

    /// <summary>f(y) = A y, with A of shape (d, d).</summary>
    public static Answers Linear(Tensor matrix) => new([matrix.shape[0]], y => matmul(y, matrix.t()));

    public static Tensor Normal(long seed, params long[] shape)
    {
        using var generator = new Generator((ulong)seed);
        return randn(shape, dtype: float64, generator: generator);
    }

    public static double[] Numbers(Tensor values) => values.to_type(float64).data<double>().ToArray();

    public static double[] Scores(
        BalancedDiffusion.Memorization.IMemorizationDetector detector,
        Tensor samples,
        long seed = 1,
        long firstIndex = 0
    ) => Numbers(detector.Score(samples, seed, firstIndex));

    public static void Near(double expected, double actual, double tolerance) =>
        Assert.True(Math.Abs(expected - actual) <= tolerance, $"expected {expected} ± {tolerance}, was {actual}");
}
