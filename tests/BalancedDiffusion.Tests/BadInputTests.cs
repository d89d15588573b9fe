using System.Text;
using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Datasets.Faces;
using BalancedDiffusion.Datasets.Mixtures;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Memorization;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Tests.Checkpoints;
using BalancedDiffusion.Theory;
using BalancedDiffusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests;

/// <summary>Every bad input ends in one clear sentence that names what is wrong.</summary>
public sealed class BadInputTests
{
    private static readonly TemporaryFolder Folder = new();

    private sealed class NanDenoiser : IDenoiser
    {
        public IReadOnlyList<long> SampleShape => [2];
        public Tensor Denoise(Tensor noisy, Tensor sigma) => torch.full_like(noisy, double.NaN);
    }

    private static string Write(string name, byte[] bytes)
    {
        var path = Path.Combine(Folder.Folder, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    private static EmpiricalDenoiser Two() => new(torch.ones(2, 2));
    private static readonly byte[] GoodIdx = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4];
    private static byte[] Header(string json) => [.. BitConverter.GetBytes((long)Encoding.UTF8.GetByteCount(json)), .. Encoding.UTF8.GetBytes(json)];
    private static Tensor Bad(double value) => torch.tensor(new[] { 0.5, value }).view(1, 2);

    /// <summary>What is tried, and what the sentence must name.</summary>
    private static readonly Dictionary<string, (Action Try, string Names)> Cases = new()
    {
        // noise levels
        ["sigma 0"] = (() => Two().DenoiseAt(torch.ones(1, 2), 0), "0"),
        ["sigma negative"] = (() => Two().DenoiseAt(torch.ones(1, 2), -0.2), "-0.2"),
        ["sigma NaN"] = (() => Two().DenoiseAt(torch.ones(1, 2), double.NaN), "NaN"),
        ["sigma infinite"] = (() => Two().DenoiseAt(torch.ones(1, 2), double.PositiveInfinity), "Infinity"),
        ["fixed noise of 0"] = (() => _ = new FixedNoise(0), "0"),
        ["log-uniform bounds the wrong way round"] = (() => _ = new LogUniformNoise(2, 0.02), "0.02"),
        ["geometric schedule without range"] = (() => _ = new GeometricSchedule(1, 1), "1"),
        ["Karras schedule with negative rho"] = (() => _ = new KarrasSchedule(80, 0.002, -7), "-7"),
        ["schedule of no steps"] = (() => new KarrasSchedule(80, 0.002).Levels(0), "0"),
        ["noise of a negative length"] = (() => GaussianNoise.Draw([-3], 0), "-3"),
        // denoisers
        ["empty training set"] = (() => _ = new EmpiricalDenoiser(torch.zeros(0, 4)), "empty"),
        ["NaN in the training set"] = (() => _ = new EmpiricalDenoiser(Bad(double.NaN)), "NaN"),
        ["noisy sample of the wrong shape"] = (() => Two().DenoiseAt(torch.ones(1, 3), 1), "3"),
        ["NaN in the noisy sample"] = (() => Two().DenoiseAt(Bad(double.NaN).to_type(torch.float32), 1), "NaN"),
        ["network without units"] = (() => _ = new ReluDae(4, 0, 0), "0"),
        ["weights that are not a matrix"] = (() => _ = new ReluDae(torch.ones(3)), "3"),
        ["weights with infinity"] = (() => _ = new ReluDae(Bad(double.PositiveInfinity)), "infinity"),
        ["code of the wrong width"] = (() => new ReluDae(4, 3, 0).Decode(torch.ones(1, 4)), "4"),
        ["PSNR of two shapes"] = (() => Psnr.Of(torch.ones(1, 2), torch.ones(1, 3)), "3"),
        // data
        ["unknown data set"] = (() => ImageSources.Open("mnist"), "mnist"),
        ["no faces"] = (() => new ParametricFaces().Train(0), "0"),
        ["faces of an odd size"] = (() => _ = new ParametricFaces(48), "48"),
        ["face factor out of range"] = (() => _ = new FaceFactors().With("Age", 7), "7"),
        ["face factor NaN"] = (() => _ = new FaceFactors().With("Age", float.NaN), "NaN"),
        ["face factor that does not exist"] = (() => _ = new FaceFactors().With("Aura", 1), "Aura"),
        ["index outside a data set"] = (() => new ParametricFaces().Train(3).Select(5), "5"),
        ["idx file that is missing"] = (() => IdxReader.Read(Path.Combine(Folder.Folder, "absent-idx")), "absent-idx"),
        ["idx file with a wrong magic"] = (() => IdxReader.Read(Write("magic-idx", [1, 2, 3, 4, 5, 6, 7, 8])), "magic-idx"),
        ["idx file cut short"] = (() => IdxReader.Read(Write("short-idx", GoodIdx[..^2])), "short-idx"),
        ["idx file with more at the end"] = (() => IdxReader.Read(Write("long-idx", [.. GoodIdx, 9])), "long-idx"),
        ["idx file of other dimensions"] = (() => IdxReader.Read(Write("dims-idx", GoodIdx), dimensions: 1), "dims-idx"),
        ["gzip that is damaged"] = (() => IdxReader.Read(Write("damaged-idx.gz", [0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9])), "damaged-idx.gz"),
        ["manifest that is no JSON"] = (() => DataManifest.Parse("{"), "manifest"),
        ["manifest entry that does not exist"] = (() => _ = DataManifest.Load()["imagenet"], "imagenet"),
        ["required file that is nowhere"] = (() => new DataSearch().Require("nowhere/at-all.bin"), "at-all.bin"),
        ["mixture of nothing"] = (() => _ = new GaussianMixture(), "component"),
        ["mixture with a negative variance"] = (() => GaussianMixture.SeparatedLowRank(8, 2, 2, 0, variance: -1), "-1"),
        // checkpoints
        ["checkpoint that is missing"] = (() => PthCheckpoint.Read(Path.Combine(Folder.Folder, "absent.pth")), "absent.pth"),
        ["checkpoint that is no archive"] = (() => PthCheckpoint.Read(Write("text.pth", Encoding.UTF8.GetBytes("hello, world"))), "text.pth"),
        ["checkpoint that wants to run code"] = (() => PthCheckpoint.Read(PickleBytes.Save(Folder, new PickleBytes().Proto().Global("os", "system").Mark().Text("true").Tuple().Reduce().Stop(), new byte[24])), "os.system"),
        ["checkpoint cut short"] = (() => PthCheckpoint.Read(Write("cut.pth", File.ReadAllBytes(PickleBytes.Save(Folder, PickleBytes.One("FloatStorage", 6, 0, [6], [1]), new byte[24]))[..200])), "cut.pth"),
        ["safetensors that is missing"] = (() => Safetensors.Read(Path.Combine(Folder.Folder, "absent.safetensors")), "absent.safetensors"),
        ["safetensors of three bytes"] = (() => Safetensors.Read(Write("tiny.safetensors", [1, 2, 3])), "tiny.safetensors"),
        ["safetensors with a header longer than the file"] = (() => Safetensors.Read(Write("header.safetensors", [0xff, 0xff, 0, 0, 0, 0, 0, 0, 0x7b])), "header.safetensors"),
        ["safetensors whose tensor leaves the file"] = (() => Safetensors.Read(Write("bounds.safetensors", Header("""{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"""))), "bounds.safetensors"),
        ["ReLU-DAE checkpoint without its weights"] = (() => ReluDaeCheckpoint.Load(Write("other.safetensors", [.. Header("""{"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"""), 0, 0, 0, 0])), "other.safetensors"),
        // training
        ["no training steps"] = (() => _ = new TrainingOptions { Steps = 0 }, "0"),
        ["negative batch"] = (() => _ = new TrainingOptions { BatchSize = -1 }, "-1"),
        ["learning rate 0"] = (() => _ = new TrainingOptions { LearningRate = 0 }, "0"),
        ["negative lambda"] = (() => Regularization.FromLambda(-1), "-1"),
        ["lambda with AdamW"] = (() => Regularization.FromLambda(1).WeightDecay(new ReluDae(4, 3, 0), OptimizerOptions.AdamW()), "AdamW"),
        ["training on nothing"] = (() => Trainer.Fit(new ReluDae(4, 3, 0), torch.zeros(0, 4), new TrainingOptions { Steps = 1 }), "data"),
        ["training on samples of another length"] = (() => Trainer.Fit(new ReluDae(4, 3, 0), torch.zeros(2, 5), new TrainingOptions { Steps = 1 }), "5"),
        ["training on NaN"] = (() => Trainer.Fit(new ReluDae(2, 3, 0), Bad(double.NaN).to_type(torch.float32), new TrainingOptions { Steps = 1 }), "NaN"),
        // sampling
        ["levels in the wrong order"] = (() => new EulerSampler().Sample(Two(), torch.ones(1, 2), [1, 2], 0), "2"),
        ["a single level"] = (() => new EulerSampler().Sample(Two(), torch.ones(1, 2), [1], 0), "two"),
        ["a level of 0 inside"] = (() => new HeunSampler().Sample(Two(), torch.ones(1, 2), [1, 0, 0], 0), "0"),
        ["a denoiser that answers NaN"] = (() => new HeunSampler().Sample(new NanDenoiser(), torch.ones(1, 2), [1, 0.5, 0], 0), "NaN"),
        ["no samples wanted"] = (() => new EulerSampler().Draw(Two(), 0, [1, 0], 0), "0"),
        // metrics and theory
        ["more neighbours than samples"] = (() => NearestNeighbours.Find(torch.ones(1, 2), torch.ones(2, 2), 3), "3"),
        ["spikiness of a vector"] = (() => Spikiness.StandardDeviation(torch.ones(3)), "3"),
        ["spikiness of NaN"] = (() => Spikiness.StandardDeviation(Bad(double.NaN)), "NaN"),
        ["columns against no images"] = (() => ColumnCosines.Largest(torch.ones(2, 2), torch.zeros(0, 2)), "images"),
        ["separable subset larger than the set"] = (() => SeparableSubset.Find(torch.ones(2, 2), 3, 0), "3"),
        ["obtuse subset of equal samples"] = (() => SeparableSubset.FindObtuse(torch.ones(4, 2), 3, 0), "away"),
        ["expected loss at sigma 0"] = (() => _ = new ExactExpectedLoss(torch.ones(1, 2), 0), "0"),
        // devices
        ["device that does not exist"] = (() => ComputeDevice.Choose("gpu"), "gpu"),
        ["library that is no ELF file"] = (() => ElfSymbolVersions.Read(Write("no-elf.so", [1, 2, 3])), "ELF"),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void EndsInOneSentenceThatNamesWhatIsWrong(string name)
    {
        var (attempt, names) = Cases[name];
        var failure = Record.Exception(attempt);
        Assert.NotNull(failure);
        Assert.True(failure is ArgumentException or InvalidOperationException or IOException or InvalidDataException or KeyNotFoundException, $"{failure.GetType().Name}: {failure.Message}");
        var sentence = failure.Message.Split(" (Parameter '")[0];
        Assert.DoesNotContain('\n', sentence);
        Assert.InRange(sentence.Length, 15, 500);
        Assert.Contains(names, sentence, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("Exception", sentence);
    }

}
