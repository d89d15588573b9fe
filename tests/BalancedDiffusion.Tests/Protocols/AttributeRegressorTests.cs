using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Steering;
using BalancedDiffusion.Tests.Checkpoints;
using BalancedDiffusion.Tests.Training;
using BalancedDiffusion.Training;
using TorchSharp;
using static BalancedDiffusion.Tests.Networks.UNetFixtures;
using static BalancedDiffusion.Tests.Steering.SteeringLab;

namespace BalancedDiffusion.Tests.Protocols;

public class AttributeRegressorTests
{
    private static readonly TrainingOptions Short = AttributeRegressor.Recipe(2000) with
    {
        Steps = 200,
        BatchSize = 32,
        Seed = 3,
    };
    private static readonly TrainingOptions Shortest = Short with { Steps = 5 };

    /// <summary>Images of 8×8 with a brightness, in units and with an offset of its own, and a bright half: left (0)
    /// or right (1).</summary>
    private static ImageDataset Pictures(int count, long seed, int height = 8, int width = 8)
    {
        using var scope = torch.NewDisposeScope();
        var level = Normal(seed, count).clamp(-2, 2).mul(0.2);
        var right = Normal(seed + 1, count).gt(0).to_type(torch.float32);
        var images = level.reshape(count, 1, 1, 1) + 0.05 * Normal(seed + 2, count, 1, height, width);
        var side = (2 * right - 1).mul(0.3).reshape(count, 1, 1, 1);
        images = torch
            .cat([images.narrow(3, 0, width / 2) - side, images.narrow(3, width / 2, width - width / 2) + side], 3)
            .contiguous();
        var attributes = new Dictionary<string, float[]>
        {
            ["brightness"] = level.mul(50).add(100).data<float>().ToArray(),
            ["right"] = right.data<float>().ToArray(),
            ["constant"] = [.. Enumerable.Repeat(0.1f, count)],
        };
        return new ImageDataset("pictures", images.DetachFromDisposeScope(), null, attributes);
    }

    [Fact]
    public void ItLearnsWhatIsThereToSeeAndReadsItInItsUnits()
    {
        using var scope = torch.NewDisposeScope();
        using ImageDataset train = Pictures(300, 10),
            heldOut = Pictures(200, 20);
        var kept = train.Images.clone();
        var steps = new List<int>();
        using var regressor = AttributeRegressor.Fit(
            train,
            ["right", "brightness"],
            Short,
            new CallbackProgress<int>(steps.Add)
        );
        Assert.Equal(["right", "brightness"], regressor.Names);
        Assert.Equal([1, 8, 8], regressor.ImageShape);
        Assert.Equal(Enumerable.Range(1, 200), steps);
        Assert.False(regressor.training);
        Assert.True(Same(kept, train.Images));
        var errors = regressor.Evaluate(heldOut);
        Assert.Equal(["right", "brightness"], errors.Select(e => e.Name));
        Assert.All(errors, e => Assert.True(e.ExplainedVariance > 0.9, $"{e}"));
        Assert.True(errors[1].Spearman > 0.95, $"{errors[1]}");

        // In the attribute's units: brightness has mean 100 and standard deviation about 10, and the reading moves with
        // it.
        var read = regressor.Read(heldOut.Images);
        Assert.Equal([200, 2], read.shape);
        Assert.Equal(torch.float64, read.dtype);
        Assert.Equal(heldOut.Attributes["brightness"].Average(), Numbers(read[.., 1]).Average(), 2.0);
        // The numbers of Evaluate by hand.
        var square = Numbers(read[.., 1]).Zip(heldOut.Attributes["brightness"], (r, t) => (r - t) * (r - t)).Average();
        Assert.Equal(Math.Sqrt(square), errors[1].RootMeanSquare, 1e-9);
    }

    [Fact]
    public void OneSeedMakesOneReader()
    {
        using var scope = torch.NewDisposeScope();
        using var train = Pictures(50, 10);
        using var first = AttributeRegressor.Fit(train, ["brightness"], Shortest);
        torch.manual_seed(99);
        using var second = AttributeRegressor.Fit(train, ["brightness"], Shortest);
        using var other = AttributeRegressor.Fit(train, ["brightness"], Shortest with { Seed = 4 });
        using var longer = AttributeRegressor.Fit(train, ["brightness"], Shortest with { Steps = 6 });
        Assert.Equal(ModelFingerprint.Of(first), ModelFingerprint.Of(second));
        Assert.Equal(3, new[] { first, other, longer }.Select(ModelFingerprint.Of).Distinct().Count());
    }

    [Fact]
    public void ImagesAreReadAloneAsInAnyBatch()
    {
        using var scope = torch.NewDisposeScope();
        using ImageDataset train = Pictures(50, 10),
            many = Pictures(600, 30);
        using var regressor = AttributeRegressor.Fit(train, ["brightness", "right"], Shortest);
        // More than it takes at once.
        var all = regressor.Read(many.Images);
        foreach (var i in new[] { 0, 255, 256, 599 })
            Assert.True(torch.allclose(all[i], regressor.Read(many.Images.narrow(0, i, 1))[0], 1e-5, 1e-5), $"{i}");
        Assert.Equal([0, 2], regressor.Read(torch.zeros(0, 1, 8, 8)).shape);
        Assert.False(all.requires_grad);
    }

    [Fact]
    public void SidesMayDifferWhereBothAreMultiplesOfEight()
    {
        using var scope = torch.NewDisposeScope();
        using var train = Pictures(20, 10, 8, 24);
        using var regressor = AttributeRegressor.Fit(train, ["brightness"], Shortest with { Steps = 1 });
        Assert.Equal([1, 8, 24], regressor.ImageShape);
        Assert.Equal([20, 1], regressor.Read(train.Images).shape);
    }

    [Fact]
    public void ItComesBackFromAFileAndReadsTheSame()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var train = Pictures(50, 10);
        using var regressor = AttributeRegressor.Fit(train, ["brightness", "right"], Shortest);
        regressor.Save(folder.File("regressor"), new Dictionary<string, string> { ["data"] = "pictures" });
        using var back = AttributeRegressor.Load(folder.File("regressor"));
        Assert.Equal(regressor.Names, back.Names);
        Assert.Equal(regressor.ImageShape, back.ImageShape);
        Assert.False(back.training);
        Assert.True(Same(regressor.Read(train.Images), back.Read(train.Images)));
        Assert.Equal(ModelFingerprint.Of(regressor), ModelFingerprint.Of(back));
        Assert.Equal("pictures", Safetensors.ReadMetadata(folder.File("regressor"))["data"]);
        Assert.All(back.parameters(), p => Assert.False(p.requires_grad));
        Refused<ArgumentException>(
            "leave that key out",
            () => regressor.Save(folder.File("x"), new Dictionary<string, string> { ["attributes"] = "other" })
        );
    }

    [Fact]
    public void WhatCannotBeLearnedIsRefused()
    {
        using var scope = torch.NewDisposeScope();
        using ImageDataset train = Pictures(50, 10),
            odd = Pictures(10, 10, 8, 12),
            one = train.Select(3);
        void No(string words, Action attempt) => Refused<ArgumentException>(words, attempt);
        No(
            "the data set 'pictures' has no attributes 'smile'; it has 'brightness', 'right', 'constant'",
            () => AttributeRegressor.Fit(train, ["brightness", "smile"], Shortest)
        );
        No("attributes must name at least one attribute, was empty", () => AttributeRegressor.Fit(train, [], Shortest));
        No(
            "the attributes 'constant' are the same in all images",
            () => AttributeRegressor.Fit(train, ["brightness", "constant"], Shortest)
        );
        No(
            "the attributes 'brightness' are the same in all images",
            () => AttributeRegressor.Fit(one, ["brightness"], Shortest)
        );
        No(
            "images must have sides that are multiples of 8, were 8×12",
            () => AttributeRegressor.Fit(odd, ["brightness"], Shortest)
        );
        Assert.Throws<ArgumentNullException>(() => AttributeRegressor.Fit(null!, ["brightness"]));
        Assert.Throws<ArgumentNullException>(() => AttributeRegressor.Fit(train, null!));

        using var regressor = AttributeRegressor.Fit(train, ["brightness"], Shortest);
        No("images must have shape (any, 1, 8, 8), was (10, 1, 8, 12)", () => regressor.Read(odd.Images));
        No("images must have shape (any, 1, 8, 8), was (1, 8, 8)", () => regressor.Read(train.Images[0]));
        No(
            "images must be Float32 like the model's weights, was Float64",
            () => regressor.Read(train.Images.to_type(torch.float64))
        );
        using var unknown = new ImageDataset("bare", train.Images.clone());
        No("the data set 'bare' has no attributes 'brightness'; it has nothing", () => regressor.Evaluate(unknown));
        using var two = train.Select(1, 2);
        No("at least three", () => regressor.Evaluate(two));
        using var same = new ImageDataset(
            "same",
            train.Images.clone(),
            null,
            new Dictionary<string, float[]> { ["brightness"] = new float[50] }
        );
        No("the truth of 'brightness' is the same in all images", () => regressor.Evaluate(same));
    }

    [Fact]
    public void NamesThatAFileCouldNotKeepApartAreRefused()
    {
        using var scope = torch.NewDisposeScope();
        using var images = Pictures(20, 10);
        var values = images.Attributes["brightness"];
        using var named = new ImageDataset(
            "named",
            images.Images.clone(),
            null,
            new Dictionary<string, float[]> { ["a,b"] = values, [""] = values }
        );
        Refused<ArgumentException>("'a,b'", () => AttributeRegressor.Fit(named, ["a,b"], Shortest));
        Refused<ArgumentException>("''", () => AttributeRegressor.Fit(named, [""], Shortest));
    }

    [Fact]
    public void FilesThatHoldNoReaderAreRefused()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var train = Pictures(20, 10);
        using var regressor = AttributeRegressor.Fit(train, ["brightness"], Shortest with { Steps = 1 });
        regressor.Save(folder.File("regressor"));
        var bytes = System.IO.File.ReadAllBytes(folder.File("regressor"));
        var metadata = Safetensors.ReadMetadata(folder.File("regressor"));
        using var dae = new ReluDae(6, 4, 1);
        var before = Live;
        void Damaged(byte[] content)
        {
            System.IO.File.WriteAllBytes(folder.File("damaged"), content);
            Refused<InvalidDataException>("", () => AttributeRegressor.Load(folder.File("damaged")));
        }
        foreach (var length in new[] { 0, 1, 8, 9, 100, 1000, bytes.Length / 2, bytes.Length - 1 })
            Damaged(bytes[..length]);
        Damaged([.. bytes, 0]);
        Refused<FileNotFoundException>(
            "there is no checkpoint at",
            () => AttributeRegressor.Load(folder.File("nothing"))
        );

        ReluDaeCheckpoint.Save(dae, folder.File("dae"));
        Refused<InvalidDataException>(
            "the file 'dae' does not hold an attribute regressor: its image_shape must be channels, height "
                + "and width; make one with AttributeRegressor.Save",
            () => AttributeRegressor.Load(folder.File("dae"))
        );

        void Changed(
            string words,
            Action<Dictionary<string, torch.Tensor>>? tensors = null,
            params (string Key, string? Value)[] said
        )
        {
            using var inner = torch.NewDisposeScope();
            using var read = Safetensors.Read(folder.File("regressor"));
            var (all, text) = (read.ToDictionary(t => t.Key, t => t.Value), new Dictionary<string, string>(metadata));
            tensors?.Invoke(all);
            foreach (var (key, value) in said)
                if (value is null)
                    text.Remove(key);
                else
                    text[key] = value;
            Safetensors.Write(folder.File("changed"), [.. all], text);
            Refused<InvalidDataException>(words, () => AttributeRegressor.Load(folder.File("changed")));
        }
        Changed("missing, of another shape or type, or not finite: 'net.4.weight'", t => t.Remove("net.4.weight"));
        Changed("not finite: 'mean'", t => t["mean"] = torch.full([1], float.NaN));
        Changed("'net.11.bias'", t => t["net.11.bias"] = torch.zeros(2));
        Changed("'net.0.weight'", t => t["net.0.weight"] = t["net.0.weight"].to_type(torch.float64));
        Changed("unexpected 'skip'", t => t["skip"] = torch.zeros(1));
        Changed("it names no attributes", null, ("attributes", null));
        Changed("its image_shape must be", null, ("image_shape", "1,8"));
        Changed("its image_shape must be", null, ("image_shape", "1,8,12"));
        Changed("its image_shape must be", null, ("image_shape", "0,8,8"));
        Changed("of another shape", null, ("attributes", "a,b"));
        Changed("of another shape", null, ("image_shape", "1,16,8"));
        // A claim that would take 19 GB to make is refused by what the file holds.
        Changed("'net.9.weight'", null, ("image_shape", "1,4096,4096"));
        Assert.Equal(before, Live);
    }

    [Fact]
    public void ItStopsBetweenTwoStepsAndLeavesNothingBehind()
    {
        using var scope = torch.NewDisposeScope();
        using var train = Pictures(50, 10);
        using var stop = new CancellationTokenSource();
        var steps = new List<int>();
        var before = Live;
        Assert.ThrowsAny<OperationCanceledException>(() =>
            AttributeRegressor.Fit(
                train,
                ["brightness"],
                Short,
                new CallbackProgress<int>(step =>
                {
                    steps.Add(step);
                    if (step == 3)
                        stop.Cancel();
                }),
                stop.Token
            )
        );
        Assert.Equal([1, 2, 3], steps);
        Assert.Equal(before, Live);
        Assert.ThrowsAny<ArgumentException>(() => AttributeRegressor.Fit(train, ["constant"], Short));
        Assert.ThrowsAny<ArgumentException>(() => AttributeRegressor.Fit(train, ["smile"], Short));
        Assert.Equal(before, Live);
    }

    [Fact]
    public void TrainingReadingAndFilesLeaveNoTensorBehind()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var train = Pictures(50, 10);
        var before = Live;
        using (var regressor = AttributeRegressor.Fit(train, ["brightness"], Shortest))
        {
            var made = Live;
            // Six layers of weight and bias, mean and scale.
            Assert.Equal(before + 14, made);
            for (var i = 0; i < 20; i++)
            {
                regressor.Read(train.Images).Dispose();
                regressor.Evaluate(train);
            }
            regressor.Save(folder.File("regressor"));
            Assert.Equal(made, Live);
            using (AttributeRegressor.Load(folder.File("regressor")))
                Assert.Equal(made + 14, Live);
            Assert.Equal(made, Live);
        }
        Assert.Equal(before, Live);
    }
}
