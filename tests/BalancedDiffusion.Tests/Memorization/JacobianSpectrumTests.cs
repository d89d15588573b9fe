using BalancedDiffusion.Datasets.Mixtures;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Memorization;
using TorchSharp;
using static BalancedDiffusion.Tests.Memorization.DetectorLab;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests.Memorization;

public sealed class JacobianSpectrumTests
{
    private static double[][] Spectra(
        IDenoiser denoiser,
        Tensor samples,
        double sigma,
        int probes,
        long seed = 0,
        double step = 0.1
    )
    {
        using var values = JacobianSpectrum.SingularValues(denoiser, samples, sigma, probes, seed, step);
        Assert.Equal(
            (float64, DeviceType.CPU, samples.shape[0], (long)probes),
            (values.dtype, values.device_type, values.shape[0], values.shape[1])
        );
        return [.. Numbers(values).Chunk(probes)];
    }

    private static void Are(IEnumerable<double> expected, double[] actual, double tolerance)
    {
        double[] all = [.. expected];
        Assert.Equal(all.Length, actual.Length);
        Assert.All(all.Zip(actual), pair => Near(pair.First, pair.Second, tolerance));
    }

    private static Tensor Basis(long seed, long dimension, long rank) => linalg.qr(Normal(seed, dimension, rank)).Q;

    [Fact]
    public void WithAllUnitVectorsTheyAreThoseOfTheMatrix()
    {
        using var scope = NewDisposeScope();
        double[] values = [5, 2, 1, 0.5, 0.5, 1e-3, 0];
        var matrix = matmul(Basis(1, 7, 7) * tensor(values), Basis(2, 7, 7).t());
        foreach (var spectrum in Spectra(Linear(matrix), Normal(3, 4, 7), 0.3, 7))
            Are(values, spectrum, 1e-9);
        // Nothing of these is random, and the level and the step do not matter to a linear denoiser.
        foreach (var spectrum in Spectra(Linear(matrix), Normal(3, 4, 7), 2, 7, seed: 5, step: 1))
            Are(values, spectrum, 1e-9);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(6)]
    [InlineData(19)]
    [InlineData(20)]
    public void WithAsManyProbesAsTheRankTheyAreTheNonzeroOnes(int probes)
    {
        using var scope = NewDisposeScope();
        // Symmetric, as the Jacobian of a posterior mean is, with a negative eigenvalue to boot.
        var basis = Basis(4, 20, 4);
        var matrix = matmul(basis * tensor(new[] { 0.9, -0.7, 0.4, 0.1 }), basis.t());
        foreach (var seed in new[] { 0L, 9 })
        foreach (var spectrum in Spectra(Linear(matrix), Normal(5, 3, 20), 0.1, probes, seed))
            Are([0.9, 0.7, 0.4, 0.1, .. Enumerable.Repeat(0.0, probes - 4)], spectrum, 1e-9);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void WithFewerProbesTheyAreNeverAboveTheTrueOnes(bool symmetric)
    {
        using var scope = NewDisposeScope();
        double[] values = [.. Enumerable.Range(0, 16).Select(i => Math.Pow(0.6, i))];
        var left = Basis(6, 16, 16);
        var matrix = matmul(left * tensor(values), (symmetric ? left : Basis(7, 16, 16)).t());
        var spectra = Spectra(Linear(matrix), Normal(8, 20, 16), 0.1, 6);
        Assert.All(
            spectra,
            spectrum => Assert.All(spectrum.Zip(values), pair => Assert.InRange(pair.First, 0, pair.Second + 1e-9))
        );
        Assert.All(spectra, spectrum => Assert.Equal(spectrum.OrderDescending(), spectrum));
        // The range of a symmetric J holds its large directions, so that the first is nearly whole.
        if (symmetric)
            Assert.All(spectra, spectrum => Assert.True(spectrum[0] > 0.9, $"{spectrum[0]}"));
        Assert.NotEqual(spectra[0], spectra[1]);
        Assert.NotEqual(spectra[0], Spectra(Linear(matrix), Normal(8, 20, 16), 0.1, 6, seed: 1)[0]);
        Assert.Equal(spectra[0], Spectra(Linear(matrix), Normal(8, 20, 16), 0.1, 6)[0]);
    }

    [Fact]
    public void WithoutSymmetryFewProbesMayMissWhatAllUnitVectorsFind()
    {
        using var scope = NewDisposeScope();
        // f(y) = y_2 e_1: the range, e_1, is mapped to zero.
        var matrix = zeros(5, 5, dtype: float64);
        matrix[0, 1] = 1.0;
        Are([1, 0, 0, 0, 0], Spectra(Linear(matrix), ones(1, 5, dtype: float64), 0.1, 5)[0], 1e-12);
        Near(0, Spectra(Linear(matrix), ones(1, 5, dtype: float64), 0.1, 1)[0][0], 1e-12);
    }

    [Fact]
    public void TheDifferencesAreCentralWithAStepInUnitsOfSigma()
    {
        using var scope = NewDisposeScope();
        // ((y + h)³ - (y - h)³)/2h = 3 y² + h².
        var cubes = new Answers([3], y => y * y * y);
        var spectra = Spectra(
            cubes,
            tensor(
                new[,]
                {
                    { 2.0, -1, 0 },
                    { 0.5, 0, 3 },
                }
            ),
            0.4,
            3,
            step: 0.5
        );
        Are([12.04, 3.04, 0.04], spectra[0], 1e-9);
        Are([27.04, 0.79, 0.04], spectra[1], 1e-9);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(6)]
    public void AGaussianKeepsOfEachDirectionItsShareOfTheVariance(int probes)
    {
        using var scope = NewDisposeScope();
        double[] variances = [4, 0.25, 0.01];
        const double sigma = 0.2;
        using var mixture = new GaussianMixture(
            GaussianComponent.LowRank(1, ones(6, dtype: float64), Basis(6, 6, 3), tensor(variances), 0)
        );
        foreach (var spectrum in Spectra(new MixtureDenoiser(mixture), Normal(6, 3, 6), sigma, probes))
            Are(
                [.. variances.Select(v => v / (v + sigma * sigma)), .. Enumerable.Repeat(0.0, probes - 3)],
                spectrum,
                1e-8
            );
    }

    [Fact]
    public void BetweenTwoStoredPointsOneDirectionIsLeft()
    {
        using var scope = NewDisposeScope();
        const double sigma = 0.8;
        using var denoiser = new EmpiricalDenoiser(
            tensor(
                new[,]
                {
                    { 0.6, 0, 0.8 },
                    { -0.6, 0, -0.8 },
                }
            )
        );
        // At a u + c, with u the unit vector through the points and c across it, the posterior variance 4 w (1 - w)
        // lies along u.
        double[] along = [0, 0.2, 0.7];
        var samples = stack([.. along.Select(a => tensor(new[] { 0.6 * a, -0.3, 0.8 * a }))]);
        foreach (var probes in new[] { 1, 3 })
        foreach (var (a, spectrum) in along.Zip(Spectra(denoiser, samples, sigma, probes, step: 1e-3)))
        {
            var w = 1 / (1 + Math.Exp(-2 * a / (sigma * sigma)));
            Are([4 * w * (1 - w) / (sigma * sigma), .. Enumerable.Repeat(0.0, probes - 1)], spectrum, 1e-5);
        }
    }

    [Fact]
    public void ANetworkInSinglePrecisionGivesThemToThreeDigits()
    {
        using var scope = NewDisposeScope();
        // Tied ReLU units that are all on: f(y) = E'E y.
        using var dae = new ReluDae(
            tensor(
                new[,]
                {
                    { 3f, 0, 0 },
                    { 0f, 2, 0 },
                }
            )
        );
        Are([9, 4, 0], Spectra(dae, ones(1, 3), 0.5, 3)[0], 5e-3);
        Are([9, 4], Spectra(dae, ones(1, 3), 0.5, 2)[0], 5e-3);
    }

    [Theory]
    [InlineData(1, 4)]
    [InlineData(3, 12)]
    [InlineData(6, 12)]
    public void ItCostsFourRunsAProbeAndTwoADimension(int probes, int expected)
    {
        using var scope = NewDisposeScope();
        var runs = 0;
        var counted = new Answers(
            [6],
            y =>
            {
                runs++;
                return y.clone();
            }
        );
        Are(Enumerable.Repeat(1.0, probes), Spectra(counted, ones(2, 6, dtype: float64), 0.1, probes)[0], 1e-9);
        Assert.Equal(expected, runs);
    }

    [Fact]
    public void NothingLeaks()
    {
        using var scope = NewDisposeScope();
        using var dae = new ReluDae(6, 8, 1);
        var samples = Normal(3, 4, 6).to(float32);
        foreach (var probes in new[] { 2, 6 })
        {
            JacobianSpectrum.SingularValues(dae, samples, 0.3, probes).Dispose();
            var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
            using (var values = JacobianSpectrum.SingularValues(dae, samples, 0.3, probes))
                Assert.False(values.IsInvalid);
            Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
        }
    }

    [Fact]
    public void BadInputEndsInOneSentence()
    {
        using var scope = NewDisposeScope();
        using var dae = new ReluDae(2, 3, 1);
        string Refused(
            Tensor? samples = null,
            double sigma = 0.1,
            int probes = 2,
            double step = 0.1,
            IDenoiser? denoiser = null
        ) =>
            Assert
                .ThrowsAny<ArgumentException>(() =>
                    JacobianSpectrum.SingularValues(
                        denoiser ?? Identity(2),
                        samples ?? ones(3, 2),
                        sigma,
                        probes,
                        0,
                        step
                    )
                )
                .Message;
        Assert.StartsWith("probes must be from 1 to d = 2, was 0", Refused(probes: 0));
        Assert.StartsWith("probes must be from 1 to d = 2, was 3", Refused(probes: 3));
        Assert.StartsWith("sigma must be positive and finite, was 0", Refused(sigma: 0));
        Assert.StartsWith("step must be positive and finite, was NaN", Refused(step: double.NaN));
        Assert.StartsWith("samples must have shape (any, 2), was (2, 3)", Refused(ones(2, 3)));
        Assert.StartsWith("samples are empty, was (0, 2)", Refused(ones(0, 2)));
        Assert.StartsWith("samples holds NaN or infinity", Refused(full([1, 2], double.NaN)));
        Assert.StartsWith("samples must hold floating-point numbers, was Int64", Refused(ones(1, 2, dtype: int64)));
        Assert.StartsWith(
            "samples are Float64, the network's weights Float32; convert the samples",
            Refused(ones(1, 2, dtype: float64), denoiser: dae)
        );
        Assert.Throws<ArgumentNullException>(() => JacobianSpectrum.SingularValues(null!, ones(1, 2), 0.1, 1));
        string Failed(Func<Tensor, Tensor> answer) =>
            Assert
                .Throws<InvalidOperationException>(() =>
                    JacobianSpectrum.SingularValues(new Answers([2], answer), ones(3, 2), 0.5, 1)
                )
                .Message;
        Assert.StartsWith("the denoiser returned NaN or infinity at sigma = 0.5", Failed(y => y / 0));
        Assert.Equal(
            "the denoiser returned shape (3, 1) for (3, 2) at sigma = 0.5",
            Failed(y => y.narrow(1, 0, 1).clone())
        );
        Assert.StartsWith("the model could not run at sigma = 0.5: ", Failed(y => y.view(7, 7)));
    }
}
