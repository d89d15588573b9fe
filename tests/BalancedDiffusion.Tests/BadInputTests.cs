using System.Text;
using System.Text.RegularExpressions;
using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Datasets.Faces;
using BalancedDiffusion.Datasets.Mixtures;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Generation;
using BalancedDiffusion.Memorization;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Tests.Checkpoints;
using BalancedDiffusion.Tests.Datasets;
using BalancedDiffusion.Theory;
using BalancedDiffusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests;

/// <summary>Every bad input ends in one clear sentence that names what is wrong.</summary>
public sealed partial class BadInputTests
{
    private const string CudaCase = "CUDA where there is none";

    private sealed class Answers(Func<Tensor, Tensor> answer) : IDenoiser
    {
        public IReadOnlyList<long> SampleShape => [2];

        public Tensor Denoise(Tensor noisy, Tensor sigma) => answer(noisy);
    }

    private static readonly byte[] GoodIdx = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4];
    private static readonly TrainingOptions Once = new() { Steps = 1, LogEvery = 1 };

    private static EmpiricalDenoiser Two() => new(torch.ones(2, 2));

    private static EdmPreconditioner SmallUNet(int classes = 0) =>
        new(
            new SongUNetOptions
            {
                Resolution = 4,
                Channels = 1,
                ModelChannels = 8,
                ChannelMultipliers = [1],
                Blocks = 1,
                AttentionResolutions = [],
                LabelDim = classes,
            },
            0
        );

    private static Tensor Bad(double value) => torch.tensor(new[] { 0.5f, (float)value }).view(1, 2);

    private static GaussianComponent Spike(long dimension, double weight = 1) =>
        GaussianComponent.Full(weight, torch.ones(dimension), torch.eye(dimension));

    private static string Write(TemporaryFolder at, string name, params byte[] bytes)
    {
        File.WriteAllBytes(at.File(name), bytes);
        return at.File(name);
    }

    private static string Safe(TemporaryFolder at, string name, string json, params byte[] numbers) =>
        Write(
            at,
            name,
            [
                .. BitConverter.GetBytes((long)Encoding.UTF8.GetByteCount(json)),
                .. Encoding.UTF8.GetBytes(json),
                .. numbers,
            ]
        );

    private static string Pth(TemporaryFolder at, byte[] pickle) => PickleBytes.Save(at, pickle, new byte[24]);

    /// <summary>Three training pictures and as many for testing, all black, under Fashion-MNIST's names.</summary>
    private static FashionMnist Clothes(TemporaryFolder at, int labels = 3, byte label = 0)
    {
        foreach (var part in new[] { "train", "t10k" })
        {
            IdxWriter.Write(at.File($"{part}-images-idx3-ubyte"), [3, 28, 28], new byte[3 * 784]);
            IdxWriter.Write(at.File($"{part}-labels-idx1-ubyte"), [labels], [.. Enumerable.Repeat(label, labels)]);
        }
        return FashionMnist.Open(folders: new DataSearch(at.Folder));
    }

    private static DataFile Known(string path, params string[] urls) => new(path, 4, new string('a', 64), urls);

    private static DataEntry Entry(string path) =>
        new()
        {
            Name = "handmade",
            Kind = "data set",
            Title = "Handmade",
            Licence = "not to be passed on",
            Redistributable = false,
            Source = "none",
            Citation = "none",
            HowToGet = "ask its authors",
            Files = [Known(path)],
        };

    private static void DownloadOther(TemporaryFolder at) =>
        Task.Run(async () =>
            {
                await using var server = TinyServer.Of([1, 2, 3, 4]);
                using var downloader = new DataDownloader(attempts: 1);
                await downloader.DownloadAsync(
                    Known("sent.bin", server.Url),
                    at.Folder,
                    cancellation: TestContext.Current.CancellationToken
                );
            })
            .GetAwaiter()
            .GetResult();

    private static string Trained(TemporaryFolder at, TrainingOptions? options = null)
    {
        Trainer
            .Fit(
                new ReluDae(2, 3, 0),
                torch.ones(1, 2),
                (options ?? Once) with
                {
                    CheckpointPath = at.File("run.safetensors"),
                }
            )
            .Dispose();
        return at.File("run.safetensors");
    }

    private static string Flipped(string path)
    {
        var bytes = File.ReadAllBytes(path);
        bytes[^1] ^= 0x40;
        File.WriteAllBytes(path, bytes);
        return path;
    }

    /// <summary>What is tried, and the part of the sentence that tells what was wrong.</summary>
    private static readonly Dictionary<string, (Action<TemporaryFolder> Try, string Names)> Cases = new()
    {
        // noise levels
        ["sigma 0"] = (_ => Two().DenoiseAt(torch.ones(1, 2), 0), "sigma must be positive and finite, was 0"),
        ["sigma negative"] = (
            _ => Two().DenoiseAt(torch.ones(1, 2), -0.2),
            "sigma must be positive and finite, was -0.2"
        ),
        ["sigma NaN"] = (
            _ => Two().DenoiseAt(torch.ones(1, 2), double.NaN),
            "sigma must be positive and finite, was NaN"
        ),
        ["sigma infinite"] = (
            _ => Two().DenoiseAt(torch.ones(1, 2), double.PositiveInfinity),
            "sigma must be positive and finite, was Infinity"
        ),
        ["a sigma of the batch that is negative"] = (
            _ => Two().Denoise(torch.ones(2, 2), torch.tensor([1f, -3])),
            "sigma must be positive and finite, was -3"
        ),
        ["three sigmas for two samples"] = (
            _ => Two().Denoise(torch.ones(2, 2), torch.ones(3)),
            "sigma must have shape () or (2), was (3)"
        ),
        ["fixed noise of 0"] = (_ => new FixedSigma(0), "sigma must be positive and finite, was 0"),
        ["log-uniform bounds the wrong way round"] = (
            _ => new LogUniformSigma(2, 0.02),
            "max must be above min = 2, was 0.02"
        ),
        ["geometric schedule without range"] = (_ => new GeometricSchedule(1, 1), "max must be above min = 1, was 1"),
        ["Karras schedule with negative rho"] = (
            _ => new KarrasSchedule(80, 0.002, -7),
            "rho must be positive and finite, was -7"
        ),
        ["schedule of no steps"] = (_ => new KarrasSchedule(80, 0.002).Levels(0), "steps must be at least 1, was 0"),
        ["noise of a negative length"] = (_ => GaussianNoise.Draw([-3], 0), "must be at least 0, was -3"),
        // denoisers
        ["empty training set"] = (_ => new EmpiricalDenoiser(torch.zeros(0, 4)), "is empty; give at least one sample"),
        ["NaN in the training set"] = (_ => new EmpiricalDenoiser(Bad(double.NaN)), "NaN"),
        ["training set of a single vector"] = (_ => new EmpiricalDenoiser(torch.ones(5)), "was (5)"),
        ["training set of whole numbers"] = (
            _ => new EmpiricalDenoiser(torch.ones(2, 2, dtype: torch.int64)),
            "was Int64; convert"
        ),
        ["noisy sample of the wrong shape"] = (
            _ => Two().DenoiseAt(torch.ones(1, 3), 1),
            "noisy must have shape (any, 2), was (1, 3)"
        ),
        ["NaN in the noisy sample"] = (_ => Two().DenoiseAt(Bad(double.NaN), 1), "noisy holds NaN or infinity"),
        ["network without units"] = (_ => new ReluDae(4, 0, 0), "units must be at least 1, was 0"),
        ["weights that are not a matrix"] = (
            _ => new ReluDae(torch.ones(3)),
            "encoder must have shape (any, any), was (3)"
        ),
        ["weights with infinity"] = (_ => new ReluDae(Bad(double.PositiveInfinity)), "encoder holds NaN or infinity"),
        ["two layers that do not fit"] = (
            _ => new ReluDae(torch.ones(3, 2), torch.ones(2, 3)),
            "decoder must have shape (3, 2), was (2, 3)"
        ),
        ["representation of the wrong width"] = (
            _ => new ReluDae(4, 3, 0).Decode(torch.ones(1, 4)),
            "representation must have shape (any, 3), was (1, 4)"
        ),
        ["PSNR of two shapes"] = (
            _ => Psnr.Of(torch.ones(1, 2), torch.ones(1, 3)),
            "estimate must have shape (1, 3), was (1, 2)"
        ),
        ["PSNR with a peak of 0"] = (
            _ => Psnr.Of(torch.ones(1, 2), torch.ones(1, 2), 0),
            "peak must be positive and finite, was 0"
        ),
        ["PSNR of NaN"] = (_ => Psnr.Of(Bad(double.NaN), torch.ones(1, 2)), "estimate holds NaN or infinity"),
        // networks
        ["U-Net of a size that cannot be halved"] = (
            _ => new EdmPreconditioner(new SongUNetOptions { Resolution = 30 }, 0),
            "Resolution must be divisible by 2 once for each of the 2 levels below the first, was 30"
        ),
        ["U-Net without channels"] = (
            _ => new SongUNetOptions { ModelChannels = 0 },
            "ModelChannels must be at least 4, was 0"
        ),
        ["U-Net for an image of another size"] = (
            _ => SmallUNet().DenoiseAt(torch.ones(1, 1, 4, 8), 1),
            "noisy must have shape (any, 1, 4, 4), was (1, 1, 4, 8)"
        ),
        ["U-Net at a negative level"] = (
            _ => SmallUNet().DenoiseAt(torch.ones(1, 1, 4, 4), -1),
            "sigma must be positive and finite, was -1"
        ),
        ["U-Net without the class it needs"] = (
            _ => SmallUNet(3).DenoiseAt(torch.ones(1, 1, 4, 4), 1),
            "labels are missing"
        ),
        ["U-Net of a class that does not exist"] = (_ => SmallUNet(3).WithLabels(3), "a class must be 0 to 2, was 3"),
        ["U-Net from weights without a config"] = (
            at =>
            {
                Safetensors.Write(at.File("unet.safetensors"), SmallUNet().state_dict());
                EdmCheckpoint.Load(at.File("unet.safetensors"));
            },
            "unet.safetensors' does not hold an EDM network: the metadata holds no 'config'; give the "
                + "options of the network"
        ),
        ["training on classes that do not exist"] = (
            _ => Trainer.Fit(SmallUNet(3), torch.ones(1, 1, 4, 4), torch.tensor(new long[] { 3 }), Once),
            "a class must be 0 to 2, was 3"
        ),
        ["training without the classes it needs"] = (
            _ => Trainer.Fit(SmallUNet(3), torch.ones(1, 1, 4, 4), Once),
            "labels are missing"
        ),
        ["weighting by a standard deviation of 0"] = (
            _ => LossWeighting.Edm(0),
            "sigmaData must be positive and finite, was 0"
        ),
        // data
        ["unknown data set"] = (_ => ImageSources.Open("mnist"), "no image data set named 'mnist'; known are faces"),
        ["no faces"] = (_ => new ParametricFaces().Train(0), "count must be at least 1, was 0"),
        ["faces of an odd size"] = (_ => new ParametricFaces(48), "size must be 32 or 64, was 48"),
        ["face factor out of range"] = (_ => new FaceFactors().With("Age", 7), "Age must be between 0 and 1, was 7"),
        ["face factor NaN"] = (_ => new FaceFactors { Smile = float.NaN }, "Smile must be between -1 and 1, was NaN"),
        ["face factor that does not exist"] = (
            _ => new FaceFactors().With("Smiling", 1),
            "a face has no factor 'Smiling'; the nearest are Smile"
        ),
        ["index outside a data set"] = (
            _ => new ParametricFaces().Train(3).Select(5),
            "index 5 is outside the data set 'faces' of 3 images"
        ),
        ["more images than there are"] = (
            at => Clothes(at).Train(4),
            "count must be 1 to 3, the number of training images of fashion-mnist, was 4"
        ),
        ["labels for other images"] = (at => Clothes(at, labels: 2).Train(1), "holds 2 labels for the 3 images"),
        ["a label that does not exist"] = (
            at => Clothes(at, label: 10).Test(1),
            "gives image 0 the label 10, expected 0 to 9"
        ),
        ["Fashion-MNIST where it is not"] = (
            at => FashionMnist.Open(folders: new DataSearch(at.Folder)),
            "'fashion-mnist/train-images-idx3-ubyte.gz' of 'fashion-mnist' was not found"
        ),
        ["CelebA of other dimensions"] = (
            at =>
                CelebA.OpenPrepared(
                    Write(
                        at,
                        "celeba.idx",
                        [0, 0, 8, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]
                    )
                ),
            "images of 2 × 1 × 3, expected 32 × 32 × 3"
        ),
        ["idx file that is missing"] = (at => IdxReader.Read(at.File("absent-idx")), "absent-idx'; check the path"),
        ["idx file that is a folder"] = (at => IdxReader.Read(at.Folder), "is a folder, expected an idx file"),
        ["idx file with a wrong magic"] = (
            at => IdxReader.Read(Write(at, "magic-idx", 1, 2, 3, 4, 5, 6, 7, 8)),
            "magic-idx' is not an idx file: it begins with 0x01020304"
        ),
        ["idx file of other numbers"] = (
            at => IdxReader.Read(Write(at, "float-idx", [0, 0, 0x0d, 1, 0, 0, 0, 1, 1, 2, 3, 4])),
            "float-idx' holds numbers of the type 0x0d"
        ),
        ["idx file cut inside its header"] = (
            at => IdxReader.Read(Write(at, "head-idx", GoodIdx[..10])),
            "head-idx' ends inside its header"
        ),
        ["idx file cut short"] = (at => IdxReader.Read(Write(at, "short-idx", GoodIdx[..^2])), "short-idx' "),
        ["idx file with more at the end"] = (
            at => IdxReader.Read(Write(at, "long-idx", [.. GoodIdx, 9])),
            "long-idx' "
        ),
        ["idx file of other dimensions"] = (
            at => IdxReader.Read(Write(at, "dims-idx", GoodIdx), dimensions: 1),
            "dims-idx' has 3 dimensions, expected 1"
        ),
        ["gzip that is damaged"] = (
            at => IdxReader.Read(Write(at, "damaged-idx.gz", 0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)),
            "damaged-idx.gz' is a damaged gzip file"
        ),
        ["manifest that is no JSON"] = (
            _ => DataManifest.Parse("{"),
            "the manifest cannot be read as a manifest (line 1)"
        ),
        ["manifest without its fields"] = (
            _ => DataManifest.Parse("{\"entries\":\n[{\"name\":\"x\"}]}"),
            "the manifest cannot be read as a manifest (line 2)"
        ),
        ["manifest entry that does not exist"] = (
            _ => DataManifest.Load()["imagenet"].ToString(),
            "no data set or checkpoint named 'imagenet'; known are"
        ),
        ["required file that is nowhere"] = (
            _ => new DataSearch().Require("nowhere/at-all.bin"),
            "'nowhere/at-all.bin' was not found in no folder at all"
        ),
        ["data path that leaves its folder"] = (
            at => new DataSearch(at.Folder).Require("../secret"),
            "stay inside the data folder, was '../secret'"
        ),
        ["data file with another checksum"] = (
            at =>
            {
                Write(at, "kept.bin", 1, 2, 3, 4);
                new DataDownloader().FetchAsync(Entry("kept.bin"), new DataSearch(at.Folder)).GetAwaiter().GetResult();
            },
            "kept.bin' has the checksum 9f64a747e1b97f13…, expected aaaaaaaaaaaaaaaa…"
        ),
        ["data file of another length"] = (
            at =>
            {
                Write(at, "kept.bin", 1, 2, 3);
                new DataDownloader().FetchAsync(Entry("kept.bin"), new DataSearch(at.Folder)).GetAwaiter().GetResult();
            },
            "kept.bin' holds 3 bytes, expected 4"
        ),
        ["download with another checksum"] = (
            DownloadOther,
            "sent a file that has the checksum 9f64a747e1b97f13…, expected aaaaaaaaaaaaaaaa…, so it was deleted"
        ),
        ["mixture of nothing"] = (_ => new GaussianMixture(), "a mixture needs at least one component, was given none"),
        ["mixture of two dimensions"] = (
            _ => new GaussianMixture(Spike(2), Spike(3)),
            "components must have one dimension, were 2 and 3"
        ),
        ["mixture with a weight of 0"] = (
            _ => new GaussianMixture(Spike(2, weight: 0)),
            "weight must be positive and finite, was 0"
        ),
        ["mixture with a negative variance"] = (
            _ => GaussianMixture.SeparatedLowRank(8, 2, 2, 0, variance: -1),
            "variance must be zero or more and finite, was -1"
        ),
        ["covariance that is not symmetric"] = (
            _ =>
                GaussianComponent.Full(
                    1,
                    torch.ones(2),
                    torch.tensor(
                        new float[,]
                        {
                            { 1, 0.5f },
                            { 0, 1 },
                        }
                    )
                ),
            "covariance must be symmetric, but two mirrored entries differ by 0.5"
        ),
        ["covariance with a negative eigenvalue"] = (
            _ => GaussianComponent.Full(1, torch.ones(2), -torch.eye(2)),
            "covariance must be positive semidefinite, but its least eigenvalue is -1"
        ),
        // checkpoints
        ["checkpoint that is missing"] = (
            at => PthCheckpoint.Read(at.File("absent.pth")),
            "absent.pth'; check the path"
        ),
        ["checkpoint that is no archive"] = (
            at => PthCheckpoint.Read(Write(at, "text.pth", [.. "hello, world"u8])),
            "'text.pth' is not a torch checkpoint: it begins with 'hello, world'"
        ),
        ["checkpoint that is empty"] = (at => PthCheckpoint.Read(Write(at, "empty.pth")), "'empty.pth' is empty"),
        ["checkpoint that wants to run code"] = (
            at =>
                PthCheckpoint.Read(
                    Pth(
                        at,
                        new PickleBytes().Proto().Global("os", "system").Mark().Text("true").Tuple().Reduce().Stop()
                    )
                ),
            "asks to run 'os.system'; it was refused, nothing was run"
        ),
        ["bare pickle that wants to run code"] = (
            at =>
                PthCheckpoint.Read(
                    Write(
                        at,
                        "bare.pth",
                        new PickleBytes().Proto().Global("os", "system").Mark().Text("true").Tuple().Reduce().Stop()
                    )
                ),
            "'bare.pth' is a bare pickle"
        ),
        ["checkpoint cut short"] = (
            at =>
                PthCheckpoint.Read(
                    Write(
                        at,
                        "cut.pth",
                        File.ReadAllBytes(Pth(at, PickleBytes.One("FloatStorage", 6, 0, [6], [1])))[..200]
                    )
                ),
            "'cut.pth' is cut off or damaged"
        ),
        ["checkpoint whose tensor leaves its storage"] = (
            at => PthCheckpoint.Read(Pth(at, PickleBytes.One("FloatStorage", 6, 1, [6], [1]))),
            "a tensor 'w' of shape (6) that reaches beyond its storage of 6 elements"
        ),
        ["checkpoint without tensors"] = (
            at => PthCheckpoint.Read(Pth(at, new PickleBytes().Proto().Dict().Stop())),
            "holds no tensors"
        ),
        ["tensor that a checkpoint lacks"] = (
            at => _ = PthCheckpoint.Read(Pth(at, PickleBytes.One("FloatStorage", 6, 0, [6], [1])))["bias"],
            "the checkpoint holds no tensor 'bias'"
        ),
        ["safetensors that is missing"] = (
            at => Safetensors.Read(at.File("absent.safetensors")),
            "absent.safetensors'; check the path"
        ),
        ["safetensors of three bytes"] = (
            at => Safetensors.Read(Write(at, "tiny.safetensors", 1, 2, 3)),
            "'tiny.safetensors' has 3 bytes, too few"
        ),
        ["safetensors with a header longer than the file"] = (
            at => Safetensors.Read(Write(at, "header.safetensors", 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0x7b)),
            "'header.safetensors' announces a header of 65535 bytes, but has 9 bytes in all"
        ),
        ["safetensors whose header is no JSON"] = (
            at => Safetensors.Read(Safe(at, "json.safetensors", "{\"w\":")),
            "'json.safetensors' has a header that is not valid JSON"
        ),
        ["safetensors whose tensor leaves the file"] = (
            at =>
                Safetensors.Read(
                    Safe(at, "bounds.safetensors", """{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}""")
                ),
            "'bounds.safetensors' has 0 bytes of numbers, but its header describes 16"
        ),
        ["safetensors of an unknown type"] = (
            at =>
                Safetensors.Read(
                    Safe(at, "type.safetensors", """{"w":{"dtype":"F7","shape":[1],"data_offsets":[0,1]}}""", 0)
                ),
            "a tensor 'w' of type 'F7', which is not read here"
        ),
        ["shard that is missing"] = (
            at => WeightFiles.Open(WeightFixtures.Index(at, "m.index.json", ("w", "m-2.safetensors"))),
            "the index 'm.index.json' names 'm-2.safetensors', which is not beside it"
        ),
        ["shard outside its folder"] = (
            at => WeightFiles.Open(WeightFixtures.Index(at, "m.index.json", ("w", "../m.safetensors"))),
            "names the file '../m.safetensors', which does not lie in its own folder"
        ),
        ["weights for another network"] = (
            at =>
                WeightFiles
                    .Open(WeightFixtures.Write(at, "w.safetensors", ("a", torch.ones(2))))
                    .LoadInto(new TensorModule(("b", [2], ScalarType.Float32))),
            "'w.safetensors' do not fit the network: missing 'b'; unexpected 'a'"
        ),
        ["weights that are NaN"] = (
            at =>
                WeightFiles
                    .Open(WeightFixtures.Write(at, "w.safetensors", ("a", Bad(double.NaN))))
                    .LoadInto(new TensorModule(("a", [1, 2], ScalarType.Float32))),
            "'w.safetensors' hold NaN, infinity or numbers too large"
        ),
        ["folder that holds no model"] = (
            at => DiffusersFolder.Open(Directory.CreateDirectory(at.File("blank")).FullName),
            "the folder 'blank' is empty"
        ),
        ["single .ckpt"] = (
            at => DiffusersFolder.Open(Write(at, "v1.ckpt")),
            "'v1.ckpt' is a single .ckpt, a pickle that can hold code"
        ),
        ["model larger than the memory"] = (
            _ =>
                new MemoryPlan([KeyValuePair.Create("unet", 3_400_000_000L)], 0, 1_000_000_000, "on the CPU").Require(),
            "needs 3.4 GB, 1.0 GB free on the CPU"
        ),
        ["pickle of another kind than EDM's"] = (
            at =>
                EdmCheckpoint.Load(
                    Write(
                        at,
                        "other.pkl",
                        new PickleBytes().Proto().Dict().Mark().Text("some other thing").Int(1).SetItems().Stop()
                    )
                ),
            "'other.pkl' is a bare pickle without a network under 'ema'"
        ),
        ["Stable Diffusion in a folder that holds none"] = (
            at => StableDiffusionCheckpoint.Load(Directory.CreateDirectory(at.File("blank")).FullName),
            "the folder 'blank' is empty"
        ),
        ["prompts that are no JSON"] = (
            at => PromptList.Read(Write(at, "p.jsonl", [.. "{\"caption\":\"a\"}\nb\n"u8])),
            "'p.jsonl' cannot be read: line 2 is not a JSON object"
        ),
        ["list of images that is no JSON"] = (
            at => GenerationManifest.Open(Write(at, "i.jsonl", [.. "b\n"u8])),
            "'i.jsonl' cannot be read: line 1 ('b')"
        ),
        ["ReLU-DAE checkpoint without its weights"] = (
            at =>
                ReluDaeCheckpoint.Load(
                    Safe(
                        at,
                        "other.safetensors",
                        """{"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""",
                        0,
                        0,
                        0,
                        0
                    )
                ),
            "'other.safetensors' does not hold a ReLU-DAE"
        ),
        // training
        ["no training steps"] = (_ => new TrainingOptions { Steps = 0 }, "Steps must be at least 1, was 0"),
        ["negative batch"] = (_ => new TrainingOptions { BatchSize = -1 }, "BatchSize must be at least 0, was -1"),
        ["learning rate 0"] = (
            _ => new TrainingOptions { LearningRate = 0 },
            "LearningRate must be positive and finite, was 0"
        ),
        ["EMA that never moves"] = (
            _ => new TrainingOptions { EmaDecay = 1 },
            "EmaDecay must be above 0 and below 1, or null, was 1"
        ),
        ["gradient clipped to NaN"] = (
            _ => new TrainingOptions { GradientClip = double.NaN },
            "GradientClip must be positive and finite, was NaN"
        ),
        ["warm-up longer than the run"] = (
            _ => LearningRateSchedule.OneCycle(1.5),
            "warmup must be above 0 and below 1, was 1.5"
        ),
        ["Adam with a decay of 1"] = (
            _ => OptimizerOptions.Adam(beta2: 1),
            "beta2 must be at least 0 and below 1, was 1"
        ),
        ["Nesterov without momentum"] = (
            _ => OptimizerOptions.Sgd(nesterov: true),
            "nesterov needs a momentum above zero, was 0"
        ),
        ["negative lambda"] = (_ => Regularization.FromLambda(-1), "lambda must be zero or more and finite, was -1"),
        ["lambda with AdamW"] = (
            _ => Regularization.FromLambda(1).WeightDecay(new ReluDae(4, 3, 0), OptimizerOptions.AdamW()),
            "AdamW's decoupled decay is no penalty on the loss and has no lambda"
        ),
        ["lambda with another model"] = (
            _ => Regularization.FromLambda(1).WeightDecay(Two(), OptimizerOptions.Adam()),
            "the model was a EmpiricalDenoiser"
        ),
        ["training on nothing"] = (
            _ => Trainer.Fit(new ReluDae(4, 3, 0), torch.zeros(0, 4), Once),
            "data is empty; give at least one sample"
        ),
        ["training on samples of another length"] = (
            _ => Trainer.Fit(new ReluDae(4, 3, 0), torch.zeros(2, 5), Once),
            "data must have shape (any, 4), was (2, 5)"
        ),
        ["training on NaN"] = (
            _ => Trainer.Fit(new ReluDae(2, 3, 0), Bad(double.NaN), Once),
            "data holds NaN or infinity"
        ),
        ["training in double precision"] = (
            _ => Trainer.Fit(new ReluDae(2, 3, 0), torch.ones(1, 2, dtype: torch.float64), Once),
            "data must be Float32 like the model's weights, was Float64"
        ),
        ["training that diverges"] = (
            _ => Trainer.Fit(new ReluDae(2, 3, 0), torch.ones(1, 2) * 1e30, Once),
            "lower LearningRate or set GradientClip"
        ),
        ["checkpoint path that is a folder"] = (
            at => Trainer.Fit(new ReluDae(2, 3, 0), torch.ones(1, 2), Once with { CheckpointPath = at.Folder }),
            "is a folder"
        ),
        ["checkpoint of another model"] = (
            at => TrainingCheckpoint.LoadWeights(Trained(at), new ReluDae(2, 4, 0)),
            "run.safetensors' does not fit the model"
        ),
        ["checkpoint of another run"] = (
            at => Trained(at, Once with { CheckpointPath = Trained(at), LearningRate = 0.5 }),
            "run.safetensors' belongs to another run"
        ),
        ["checkpoint whose numbers were changed"] = (
            at => TrainingCheckpoint.LoadWeights(Flipped(Trained(at)), new ReluDae(2, 3, 0)),
            "its numbers are not those that were written"
        ),
        ["EMA that was not kept"] = (
            at => TrainingCheckpoint.LoadWeights(Trained(at), new ReluDae(2, 3, 0), ema: true),
            "keeps no EMA of the weights"
        ),
        // sampling
        ["levels in the wrong order"] = (
            _ => new EulerSampler().Sample(Two(), torch.ones(1, 2), [1, 2], 0),
            "sigmas must decrease, but 2 at position 1 follows 1"
        ),
        ["a single level"] = (
            _ => new EulerSampler().Sample(Two(), torch.ones(1, 2), [1], 0),
            "sigmas must hold at least two noise levels, was 1"
        ),
        ["a level of 0 inside"] = (
            _ => new HeunSampler().Sample(Two(), torch.ones(1, 2), [1, 0, 0], 0),
            "was 0 at position 1"
        ),
        ["a level that is NaN"] = (
            _ => new ReverseDiffusionSampler().Sample(Two(), torch.ones(1, 2), [1, double.NaN], 0),
            "was NaN at position 1"
        ),
        ["a start of the wrong shape"] = (
            _ => new EulerSampler().Sample(Two(), torch.ones(1, 3), [1, 0], 0),
            "start must have shape (any, 2), was (1, 3)"
        ),
        ["a denoiser that answers NaN"] = (
            _ =>
                new HeunSampler().Sample(
                    new Answers(x => torch.full_like(x, double.NaN)),
                    torch.ones(1, 2),
                    [1, 0.5, 0],
                    0
                ),
            "the denoiser returned NaN or infinity at step 1 of 2 (sigma = 1)"
        ),
        ["a denoiser that answers another shape"] = (
            _ => new EulerSampler().Sample(new Answers(_ => torch.ones(1, 3)), torch.ones(1, 2), [1, 0], 0),
            "the denoiser returned shape (1, 3) for (1, 2)"
        ),
        ["no samples wanted"] = (_ => new EulerSampler().Draw(Two(), 0, [1, 0], 0), "count must be at least 1, was 0"),
        ["samples in batches of a negative size"] = (
            _ => new EulerSampler().Draw(Two(), 1, [1, 0], 0, batch: -4),
            "batch must be at least 1, was -4"
        ),
        ["clamp to a negative range"] = (
            _ => new ReverseDiffusionSampler { Clamp = -1 }.Sample(Two(), torch.ones(1, 2), [1, 0], 0),
            "Clamp must be positive and finite, was -1"
        ),
        // metrics and theory
        ["more neighbours than samples"] = (
            _ => NearestNeighbours.Find(torch.ones(1, 2), torch.ones(2, 2), 3),
            "k must be at most 2 for a set of 2 samples, was 3"
        ),
        ["neighbours of samples of another length"] = (
            _ => NearestNeighbours.Find(torch.ones(1, 3), torch.ones(2, 2), 1),
            "queries have 3 numbers a sample, the set has 2"
        ),
        ["cosine to an all-zero sample"] = (
            _ => NearestNeighbours.Find(torch.zeros(1, 2), torch.ones(2, 2), 1, DistanceKind.Cosine),
            "queries hold an all-zero sample, whose cosine is undefined"
        ),
        ["gap ratio with one training sample"] = (
            _ => GapRatio.Of(torch.ones(1, 2), torch.ones(1, 2)),
            "the gap ratio needs at least two training samples, was 1"
        ),
        ["spikiness of a vector"] = (
            _ => Spikiness.StandardDeviation(torch.ones(3)),
            "representation must have shape (any, any), was (3)"
        ),
        ["spikiness of no units"] = (
            _ => Spikiness.LargestShare(torch.ones(3, 0)),
            "representation must have at least one unit, was (batch, units) = (3, 0)"
        ),
        ["spikiness of NaN"] = (
            _ => Spikiness.StandardDeviation(Bad(double.NaN)),
            "representation holds NaN or infinity"
        ),
        ["columns against no images"] = (
            _ => ColumnCosines.Largest(torch.ones(2, 2), torch.zeros(0, 2)),
            "with n ≥ 1, was (0, 2)"
        ),
        ["columns against images of another size"] = (
            _ => ColumnCosines.Largest(torch.ones(2, 2), torch.ones(1, 3)),
            "images have 3 numbers each, columns 2"
        ),
        ["separable subset larger than the set"] = (
            _ => SeparableSubset.Find(torch.ones(2, 2), 3, 0),
            "3 samples were asked for, but only 2 of 2 differ from zero"
        ),
        ["obtuse subset of equal samples"] = (
            _ => SeparableSubset.FindObtuse(torch.ones(4, 2), 3, 0),
            "no two of the samples point away from each other"
        ),
        ["expected loss at sigma 0"] = (
            _ => new ExactExpectedLoss(torch.ones(1, 2), 0),
            "sigma must be positive and finite, was 0"
        ),
        ["mixture weights that do not sum to 1"] = (
            _ => new ExactExpectedLoss(torch.ones(2, 2), 0.2, weights: [0.5, 0.25]),
            "weights must sum to 1, was 0.75"
        ),
        ["one weight for two samples"] = (
            _ => new ExactExpectedLoss(torch.ones(2, 2), 0.2, weights: [1]),
            "2 samples need as many weights, was 1"
        ),
        ["rank above the number of directions"] = (
            _ => new BlockMinimizer([torch.ones(2, 3)], [4], 0.2),
            "ranks[0] must be between 0 and 2, the number of directions of that cluster, was 4"
        ),
        ["clusters without ranks"] = (
            _ => new BlockMinimizer([torch.ones(2, 3)], [], 0.2),
            "1 clusters need as many ranks, was 0"
        ),
        ["cluster whose mean is zero"] = (
            _ => Separability.Measure(torch.zeros(2, 3)),
            "the mean of clusters[0] is zero"
        ),
        // devices
        ["device that does not exist"] = (
            _ => ComputeDevice.Choose("gpu"),
            "device must be auto, cpu or cuda, was 'gpu'"
        ),
        [CudaCase] = (_ => ComputeDevice.Choose("cuda"), "CUDA was asked for, but "),
        ["library that is no ELF file"] = (
            at => ElfSymbolVersions.Read(Write(at, "no-elf.so", 1, 2, 3)),
            "no-elf.so' cannot be read as a native library: it is not a 64-bit little-endian ELF library"
        ),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void EndsInOneSentenceThatNamesWhatIsWrong(string name)
    {
        if (name == CudaCase && ComputeDevice.Choose().Device.type == DeviceType.CUDA)
            Assert.Skip("a CUDA device is here");
        using var at = new TemporaryFolder();
        using var scope = torch.NewDisposeScope();
        var (attempt, names) = Cases[name];
        var failure = Record.Exception(() => attempt(at));
        Assert.NotNull(failure);
        Assert.True(
            failure
                is ArgumentException
                    or InvalidOperationException
                    or IOException
                    or InvalidDataException
                    or KeyNotFoundException,
            $"{failure.GetType().Name}: {failure.Message}"
        );
        var sentence = failure.Message.Split(" (Parameter '")[0];
        Assert.Contains(names, sentence);
        Assert.DoesNotContain('\n', sentence);
        Assert.DoesNotMatch(TwoSentences(), sentence);
        Assert.InRange(sentence.Replace(at.Folder, "").Length, 15, 400);
        Assert.DoesNotContain("Exception", sentence);
    }

    [GeneratedRegex(@"[.!?]\s+\p{Lu}")]
    private static partial Regex TwoSentences();
}
