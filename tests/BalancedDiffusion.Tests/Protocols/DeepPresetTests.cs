using BalancedDiffusion.Datasets;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Tests.Checkpoints;
using BalancedDiffusion.Tests.Training;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Protocols;

[Collection(GlobalGenerator.Name)]
public class DeepPresetTests
{
    /// <summary>A source with an end.</summary>
    private sealed class Few(int capacity) : IImageSource
    {
        public string Name => "few";
        public int TrainCapacity => capacity;
        public int TestCapacity => 0;
        public bool MayBePublished => true;

        public ImageDataset Train(int count) =>
            count <= capacity ? Pictures(count) : throw new ArgumentOutOfRangeException(nameof(count));

        public ImageDataset Test(int count) => throw new NotSupportedException();
    }

    private static ImageDataset Pictures(int count, int height = 8, int channels = 1, int? width = null) =>
        new(
            "noise",
            GaussianNoise
                .Draw([count, channels, height, width ?? height], 5, torch.ScalarType.Float32)
                .mul_(0.5)
                .clamp_(-1, 1)
        );

    private static DeepPreset Preset(
        DeepArchitecture architecture,
        TrainingRegime regime = TrainingRegime.Memorizing
    ) => new(architecture, regime);

    private static TrainingOptions Short(DeepPreset preset) =>
        preset.Recipe with
        {
            Steps = 3,
            BatchSize = 2,
            EmaDecay = 0.5,
        };

    private static torch.nn.Module Module(IDenoiser network) => (torch.nn.Module)network;

    private static Dictionary<string, torch.Tensor> Weights(IDenoiser network) =>
        Module(network).state_dict().ToDictionary(t => t.Key, t => t.Value.detach().clone());

    private static void AssertSame(IReadOnlyDictionary<string, torch.Tensor> expected, IDenoiser network)
    {
        var actual = Module(network).state_dict();
        foreach (var (name, value) in expected)
            Assert.True(value.eq(actual[name]).all().item<bool>(), name);
    }

    [Theory]
    [InlineData(0, "unet-memorizing")]
    [InlineData(1, "unet-generalizing")]
    [InlineData(2, "unet-hybrid")]
    [InlineData(3, "dit-memorizing")]
    [InlineData(4, "dit-generalizing")]
    [InlineData(5, "dit-hybrid")]
    public void ThereAreSixAndEachHasItsOwnNameAndFiles(int index, string name)
    {
        Assert.Equal(6, DeepPreset.All.Count);
        Assert.Equal(name, DeepPreset.All[index].Name);
        Assert.Equal($"checkpoints/{name}-fashion-mnist.safetensors", DeepPreset.All[index].File("fashion-mnist"));
    }

    [Fact]
    public void FewImagesAreMemorizedAndTheOthersAreLearned()
    {
        using var scope = torch.NewDisposeScope();
        var source = ImageSources.Open("faces");
        var all = source.Train(40).Images;
        foreach (var architecture in Enum.GetValues<DeepArchitecture>())
        {
            using var memorizing = Preset(architecture).Images(source);
            Assert.True(memorizing.Distinct.Images.eq(all.narrow(0, 0, 10)).all().item<bool>());
            Assert.Equal((10, 1), (memorizing.Count, memorizing.Occurrences));

            using var generalizing = Preset(architecture, TrainingRegime.Generalizing).Images(source, 30);
            Assert.True(generalizing.Distinct.Images.eq(all.narrow(0, 10, 30)).all().item<bool>());
            Assert.Equal((30, 1), (generalizing.Count, generalizing.Occurrences));
            var apart = torch.cdist(generalizing.Distinct.Vectors, memorizing.Distinct.Vectors);
            Assert.True(
                apart.min().item<float>() > 1,
                $"an image to be generalized lies {apart.min().item<float>()} from one to be memorized"
            );

            using var hybrid = Preset(architecture, TrainingRegime.Hybrid).Images(source, 30);
            Assert.True(hybrid.Distinct.Images.eq(all).all().item<bool>());
            Assert.Equal((10, 3, 60), (hybrid.Repeated, hybrid.Occurrences, hybrid.Count));
            // Half of what training draws from is copies.
            var rows = hybrid.Rows().flatten(1);
            var nearest = torch.cdist(rows, memorizing.Distinct.Vectors).amin([1]);
            Assert.Equal(30, nearest.lt(0.5).sum().item<long>());
        }
    }

    [Fact]
    public void WhereASourceEndsAllOfItIsTaken()
    {
        using var scope = torch.NewDisposeScope();
        using var generalizing = Preset(DeepArchitecture.Dit, TrainingRegime.Generalizing).Images(new Few(35));
        Assert.Equal(25, generalizing.Count);
        // 25 are not a multiple of ten: as many copies as do not pass half.
        using var hybrid = Preset(DeepArchitecture.Dit, TrainingRegime.Hybrid).Images(new Few(35));
        Assert.Equal((35, 2, 45), (hybrid.Distinct.Count, hybrid.Occurrences, hybrid.Count));
    }

    [Theory]
    [InlineData(TrainingRegime.Generalizing, 35, 26, "many must be at most 25 for few, was 26")]
    [InlineData(TrainingRegime.Hybrid, 35, 26, "many must be at most 25 for few, was 26")]
    [InlineData(TrainingRegime.Generalizing, 35, 9, "many must be at least 10, was 9")]
    [InlineData(TrainingRegime.Hybrid, 35, 9, "many must be at least 10, was 9")]
    [InlineData(TrainingRegime.Hybrid, 35, -1, "many must be at least 10, was -1")]
    [InlineData(TrainingRegime.Hybrid, 15, null, "many must be at least 10, was 5")]
    public void TooManyAndTooFewAreRefused(TrainingRegime regime, int capacity, int? many, string sentence) =>
        Assert.StartsWith(
            sentence,
            Assert
                .Throws<ArgumentOutOfRangeException>(() =>
                    Preset(DeepArchitecture.UNet, regime).Images(new Few(capacity), many)
                )
                .Message
        );

    [Theory]
    [InlineData(DeepArchitecture.UNet, 32, 1)]
    [InlineData(DeepArchitecture.UNet, 28, 1)]
    [InlineData(DeepArchitecture.UNet, 32, 3)]
    [InlineData(DeepArchitecture.Dit, 32, 1)]
    [InlineData(DeepArchitecture.Dit, 28, 1)]
    [InlineData(DeepArchitecture.Dit, 32, 3)]
    public void AFreshNetworkHasHalfAMillionWeightsAndFitsTheImages(
        DeepArchitecture architecture,
        int side,
        int channels
    )
    {
        using var scope = torch.NewDisposeScope();
        using var images = Pictures(2, side, channels);
        var network = Preset(architecture).Create(images, 3);
        Assert.IsType(architecture == DeepArchitecture.UNet ? typeof(EdmPreconditioner) : typeof(DitDenoiser), network);
        Assert.InRange(Module(network).parameters().Sum(p => p.NumberOfElements), 400_000, 600_000);
        Assert.Equal([channels, side, side], network.SampleShape);
        Assert.Equal(images.Images.shape, network.DenoiseAt(images.Images, 0.5).shape);
        Assert.Equal(0.5, network is EdmPreconditioner unet ? unet.SigmaData : ((DitDenoiser)network).SigmaData);
        Module(network).Dispose();
    }

    [Theory]
    [InlineData(DeepArchitecture.UNet)]
    [InlineData(DeepArchitecture.Dit)]
    public void TheSeedDecidesTheWeights(DeepArchitecture architecture)
    {
        using var scope = torch.NewDisposeScope();
        using var images = Pictures(1);
        var (one, same, other) = (
            Preset(architecture).Create(images, 3),
            Preset(architecture, TrainingRegime.Hybrid).Create(images, 3),
            Preset(architecture).Create(images, 4)
        );
        AssertSame(Weights(one), same);
        var weights = Weights(one);
        Assert.Contains(Module(other).named_parameters(), p => !p.parameter.eq(weights[p.name]).all().item<bool>());
        foreach (var network in new[] { one, same, other })
            Module(network).Dispose();
    }

    [Theory]
    [InlineData(30, 30)]
    [InlineData(31, 31)]
    [InlineData(32, 28)]
    public void ImagesThatNoNetworkFitsAreRefused(int height, int width)
    {
        using var images = Pictures(1, height, width: width);
        foreach (var architecture in Enum.GetValues<DeepArchitecture>())
            Assert.StartsWith(
                $"images must be square with a side that is a multiple of 4, were {height}×{width}",
                Assert.Throws<ArgumentException>(() => Preset(architecture).Create(images, 0)).Message
            );
    }

    [Theory]
    [InlineData(DeepArchitecture.UNet)]
    [InlineData(DeepArchitecture.Dit)]
    public void TrainingLeavesTheRunningMeansOfTheWeightsInTheNetwork(DeepArchitecture architecture)
    {
        using var scope = torch.NewDisposeScope();
        using var set = new DeepTrainingSet(Pictures(4), 2, 3);
        var preset = Preset(architecture);
        var (network, bare) = (preset.Create(set.Distinct, 3), preset.Create(set.Distinct, 3));
        var before = Weights(network);
        Module(network).train();
        using var result = preset.Fit(network, set, Short(preset));
        Assert.Equal((3, false, false), (result.StepsDone, result.Cancelled, Module(network).training));
        Assert.Equal(Module(network).parameters().Count(), result.EmaWeights!.Count);
        AssertSame(result.EmaWeights, network);
        Assert.Contains(result.EmaWeights, mean => !mean.Value.eq(before[mean.Key]).all().item<bool>());
        // By the trainer alone: the same means, but the network keeps its last weights.
        using var rows = set.Rows();
        using var expected = bare is EdmPreconditioner unet
            ? Trainer.Fit(unet, rows, Short(preset))
            : Trainer.Fit((DitDenoiser)bare, rows, Short(preset));
        AssertSame(expected.EmaWeights!, network);
        Assert.Contains(
            expected.EmaWeights!,
            mean => !mean.Value.eq(Module(bare).state_dict()[mean.Key]).all().item<bool>()
        );
        foreach (var each in new[] { network, bare })
            Module(each).Dispose();
    }

    [Theory]
    [InlineData(DeepArchitecture.UNet)]
    [InlineData(DeepArchitecture.Dit)]
    public void WithoutRunningMeansTheLastWeightsStay(DeepArchitecture architecture)
    {
        using var scope = torch.NewDisposeScope();
        using var set = new DeepTrainingSet(Pictures(4));
        var preset = Preset(architecture);
        var network = preset.Create(set.Distinct, 3);
        var before = Weights(network);
        using var result = preset.Fit(network, set, Short(preset) with { EmaDecay = null });
        Assert.Null(result.EmaWeights);
        Assert.False(Module(network).training);
        Assert.Contains(Module(network).named_parameters(), p => !p.parameter.eq(before[p.name]).all().item<bool>());
        Module(network).Dispose();
    }

    [Theory]
    [InlineData(DeepArchitecture.UNet)]
    [InlineData(DeepArchitecture.Dit)]
    public void AStoppedRunGoesOnInAFreshNetworkAsIfItHadNotStopped(DeepArchitecture architecture)
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var set = new DeepTrainingSet(Pictures(4));
        var preset = Preset(architecture);
        var recipe = Short(preset) with { Steps = 5, LogEvery = 1 };
        IDenoiser Fresh() => preset.Create(set.Distinct, 3);
        var (whole, stopped, resumed) = (Fresh(), Fresh(), Fresh());
        preset.Fit(whole, set, recipe).Dispose();
        using var stop = new CancellationTokenSource();
        var saving = recipe with { CheckpointPath = folder.File("run.safetensors") };
        using (
            var part = preset.Fit(
                stopped,
                set,
                saving,
                new CallbackProgress<TrainingProgress>(p =>
                {
                    if (p.Step == 2)
                        stop.Cancel();
                }),
                stop.Token
            )
        )
        {
            Assert.Equal((2, true, false), (part.StepsDone, part.Cancelled, Module(stopped).training));
            AssertSame(part.EmaWeights!, stopped);
        }
        using (var rest = preset.Fit(resumed, set, saving))
            Assert.Equal((5, false), (rest.StepsDone, rest.Cancelled));
        AssertSame(Weights(whole), resumed);
        foreach (var network in new[] { whole, stopped, resumed })
            Module(network).Dispose();
    }

    [Fact]
    public void AnotherKindOfNetworkIsRefused()
    {
        using var scope = torch.NewDisposeScope();
        using var set = new DeepTrainingSet(Pictures(4));
        using var dae = new ReluDae(64, 5, 1);
        Assert.StartsWith(
            "network must be an EdmPreconditioner or a DitDenoiser, was ReluDae",
            Assert.Throws<ArgumentException>(() => Preset(DeepArchitecture.UNet).Fit(dae, set)).Message
        );
    }

    [Theory]
    [InlineData(DeepArchitecture.UNet)]
    [InlineData(DeepArchitecture.Dit)]
    public void NoTensorIsLeftBehind(DeepArchitecture architecture)
    {
        using var scope = torch.NewDisposeScope();
        var source = new Few(30);
        var preset = Preset(architecture, TrainingRegime.Hybrid);
        void Train()
        {
            using var set = preset.Images(source, 20);
            var network = preset.Create(set.Distinct, 3);
            preset.Fit(network, set, Short(preset)).Dispose();
            Module(network).Dispose();
        }
        Train();
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Train();
        using (Preset(architecture, TrainingRegime.Generalizing).Images(source)) { }
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }
}
