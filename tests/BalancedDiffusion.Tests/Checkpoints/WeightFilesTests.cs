using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Tests.Networks;
using FsCheck;
using FsCheck.Fluent;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests.Checkpoints;

public class WeightFilesTests
{
    private static string Refusal(Action attempt)
    {
        var message = Assert.Throws<InvalidDataException>(attempt).Message;
        Assert.DoesNotContain('\n', message);
        return message;
    }

    [Theory]
    [InlineData(ScalarType.Float16, ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16, ScalarType.Float32)]
    [InlineData(ScalarType.Float32, ScalarType.Float32)]
    [InlineData(ScalarType.Float64, ScalarType.Float32)]
    [InlineData(ScalarType.Float32, ScalarType.Float16)]
    [InlineData(ScalarType.Float32, ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16, ScalarType.BFloat16)]
    public void NumbersArriveInTheNetworksTypeAsTorchConvertsThem(ScalarType from, ScalarType to)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var (weight, single) = (
            (randn(33, 5, dtype: float64) * 100).to_type(from),
            tensor(1.5, dtype: float64).to_type(from)
        );
        var path = WeightFixtures.Write(
            folder,
            "w.safetensors",
            ("weight", weight),
            ("single", single),
            ("steps", tensor(41L)),
            ("none", zeros(0, 3, dtype: from))
        );
        using var network = new TensorModule(
            ("weight", [33, 5], to),
            ("single", [], to),
            ("steps", [], ScalarType.Int64),
            ("none", [0, 3], to)
        );
        WeightFiles.Open(path).LoadInto(network);
        Assert.True(network["weight"].eq(weight.to_type(to)).all().item<bool>());
        Assert.Equal(
            (1.5, 41L, to),
            (network["single"].to_type(float64).item<double>(), network["steps"].item<long>(), network["weight"].dtype)
        );
    }

    [Fact]
    public void HalfPrecisionMeansWhatDotNetsOwnHalfMeans()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        Half[] halves = [(Half)0.1, Half.Epsilon, Half.MaxValue, -(Half)3.14, Half.NegativeZero];
        var path = folder.File("h.safetensors");
        var header = """{"w":{"dtype":"F16","shape":[5],"data_offsets":[0,10]}}"""u8;
        File.WriteAllBytes(
            path,
            [.. BitConverter.GetBytes((long)header.Length), .. header, .. halves.SelectMany(BitConverter.GetBytes)]
        );
        using var network = new TensorModule(("w", [5], ScalarType.Float32));
        WeightFiles.Open(path).LoadInto(network);
        Assert.Equal(halves.Select(h => (float)h), network["w"].data<float>().ToArray());
    }

    [Fact]
    public void ALargeTensorPassesInPiecesAndATensorLaidOutOtherwiseIsFilledInItsOwnOrder()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var large = arange(5_000_000, dtype: float32);
        var path = WeightFixtures.Write(
            folder,
            "w.safetensors",
            ("large", large),
            ("image", arange(24, dtype: float32).view(2, 3, 2, 2))
        );
        using var network = new TensorModule(("large", [5_000_000], ScalarType.Float32));
        network.register_parameter(
            "image",
            new TorchSharp.Modules.Parameter(zeros(2, 2, 2, 3).permute(0, 3, 1, 2), requires_grad: false)
        );
        Assert.False(network["image"].is_contiguous());
        WeightFiles.Open(path).LoadInto(network);
        Assert.True(network["large"].eq(large).all().item<bool>());
        Assert.True(network["image"].eq(arange(24, dtype: float32).view(2, 3, 2, 2)).all().item<bool>());
    }

    [Fact]
    public void ShardsOfEitherFormatLoadAsOne()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        WeightFixtures.Write(folder, "m-00001-of-00002.safetensors", ("a", tensor([1f, 2])));
        WeightFixtures.Write(
            folder,
            "m-00002-of-00002.safetensors",
            ("b", tensor([3f])),
            ("c", tensor([4f]).to_type(float16))
        );
        var index = WeightFixtures.Index(
            folder,
            "m.safetensors.index.json",
            ("a", "m-00001-of-00002.safetensors"),
            ("b", "m-00002-of-00002.safetensors"),
            ("c", "m-00002-of-00002.safetensors")
        );
        using var network = new TensorModule(
            ("a", [2], ScalarType.Float32),
            ("b", [1], ScalarType.Float32),
            ("c", [1], ScalarType.Float32)
        );
        var files = WeightFiles.Open(index);
        Assert.Equal((2, 14L), (files.Files.Count, files.Tensors.Sum(t => t.Bytes)));
        files.LoadInto(network);
        Assert.Equal([1f, 2, 3, 4], cat([network["a"], network["b"], network["c"]]).data<float>().ToArray());

        var pth = PickleBytes.Save(
            folder,
            PickleBytes.One("FloatStorage", 6, 0, [2, 3], [1, 2]),
            [.. new float[] { 1, 2, 3, 4, 5, 6 }.SelectMany(BitConverter.GetBytes)]
        );
        using var transposed = new TensorModule(("w", [2, 3], ScalarType.Float32));
        WeightFiles.Open(pth).LoadInto(transposed);
        Assert.Equal([1f, 3, 5, 2, 4, 6], transposed["w"].data<float>().ToArray());
        using var half = new TensorModule(("w", [2, 3], ScalarType.Float16));
        WeightFiles.Open(WeightFixtures.Index(folder, "p.bin.index.json", ("w", Path.GetFileName(pth)))).LoadInto(half);
        Assert.Equal([1f, 3, 5, 2, 4, 6], half["w"].to_type(float32).data<float>().ToArray());
    }

    [Fact]
    public void AFileThatTorchItselfSavedStreamsIntoANetworkOfAnotherType()
    {
        using var scope = NewDisposeScope();
        var files = WeightFiles.Open(UNetFixtures.File("torch-state.bin"));
        Assert.Equal(
            ["half.weight", "transposed", "first", "last", "brain", "position_ids", "scale"],
            files.Tensors.Select(t => t.Name)
        );
        using var network = new TensorModule(
            ("weight", [3, 4], ScalarType.Float32),
            ("transposed", [4, 3], ScalarType.Float64),
            ("first", [3], ScalarType.Float16),
            ("last", [3], ScalarType.BFloat16),
            ("brain", [3], ScalarType.Float32),
            ("position_ids", [1, 5], ScalarType.Int64),
            ("scale", [], ScalarType.Float32)
        );
        files.LoadInto(network, name => name.Replace("half.", ""));
        Assert.Equal(Enumerable.Range(0, 12).Select(i => i / 8f), network["weight"].data<float>().ToArray());
        Assert.Equal([0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11], network["transposed"].data<double>().ToArray());
        Assert.Equal(
            [0f, 1, 2, 9, 10, 11],
            cat([network["first"].to_type(float32), network["last"].to_type(float32)]).data<float>().ToArray()
        );
        Assert.Equal(
            (-2.5f, 4L, 0.18215f),
            (
                network["brain"][1].item<float>(),
                network["position_ids"][0, 4].item<long>(),
                network["scale"].item<float>()
            )
        );
    }

    [Fact]
    public void AWholeNetworkIsFilledAndAnswersAsTheReferenceImplementationDid()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var path = UNetFixtures.File("edm-skip-nano.safetensors");
        using var network = new EdmPreconditioner(SongUNetOptions.FromMetadata(Safetensors.ReadMetadata(path)), 5);
        WeightFiles.Open(path).LoadInto(network);
        using var answers = Safetensors.Read(UNetFixtures.File("edm-skip-nano-io.safetensors"));
        Assert.InRange(
            UNetFixtures.Difference(network.Denoise(answers["x"], answers["sigma"]), answers["denoised"]),
            0,
            1e-4
        );
    }

    [Fact]
    public void TheAuthorsPthStreamsToWhatTheReaderReads()
    {
        using var scope = NewDisposeScope();
        using var read = PthCheckpoint.Read(SharedData.Memorizing);
        using var network = new TensorModule(
            ("encoder", [100, 1024], ScalarType.Float32),
            ("decoder", [1024, 100], ScalarType.Float32)
        );
        WeightFiles.Open(SharedData.Memorizing).LoadInto(network, name => name.Split('.')[0]);
        foreach (var (name, tensor) in read)
            Assert.True(network[name.Split('.')[0]].eq(tensor).all().item<bool>(), name);
    }

    [Fact]
    public void EverythingThatDoesNotFitIsToldAtOnceAndNothingIsChanged()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var path = WeightFixtures.Write(
            folder,
            "w.safetensors",
            ("good", ones(2)),
            ("shape", ones(3, 1)),
            ("type", ones(2, dtype: int32)),
            ("other", ones(1)),
            ("count", ones(1))
        );
        using var network = new TensorModule(
            ("good", [2], ScalarType.Float32),
            ("shape", [1, 3], ScalarType.Float32),
            ("type", [2], ScalarType.Float32),
            ("absent", [1], ScalarType.Float32),
            ("count", [1], ScalarType.Int64)
        );
        Assert.Equal(
            "the weights in 'w.safetensors' do not fit the network: missing 'absent'; unexpected 'other'; "
                + "'shape' must have shape (1, 3), was (3, 1); "
                + "'type' must hold floating-point numbers, was Int32; 'count' must hold Int64, was Float32; "
                + "nothing was changed, so take the file and the network from one model",
            Refusal(() => WeightFiles.Open(path).LoadInto(network))
        );
        Assert.True(network.IsUntouched);

        using var many = new TensorModule([
            .. Enumerable.Range(0, 500).Select(i => ($"layer {i}", new long[] { 1 }, ScalarType.Float32)),
        ]);
        var message = Refusal(() => WeightFiles.Open(path).LoadInto(many));
        Assert.Contains("'layer 7' and 492 more", message);
        Assert.InRange(message.Length, 100, 500);
        Assert.True(many.IsUntouched);
    }

    [Fact]
    public void NamesCanBeTranslatedLeftOutAndLacking()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var path = WeightFixtures.Write(folder, "w.safetensors", ("model.a", ones(2)), ("position_ids", arange(3)));
        using var network = new TensorModule(("a", [2], ScalarType.Float32), ("computed", [4], ScalarType.Int64));
        var files = WeightFiles.Open(path);
        files.LoadInto(
            network,
            name => name == "position_ids" ? null : name["model.".Length..],
            name => name == "computed"
        );
        Assert.Equal([1f, 1], network["a"].data<float>().ToArray());
        Assert.Contains(
            "missing 'computed'",
            Refusal(() => files.LoadInto(network, name => name == "position_ids" ? null : name["model.".Length..]))
        );
        Assert.Contains(
            "'position_ids' and 'model.a' are both 'a' of the network",
            Refusal(() => files.LoadInto(network, _ => "a", _ => true))
        );
    }

    [Theory]
    [InlineData(double.NaN, ScalarType.Float32, ScalarType.Float32)]
    [InlineData(double.PositiveInfinity, ScalarType.Float16, ScalarType.Float32)]
    [InlineData(double.NegativeInfinity, ScalarType.BFloat16, ScalarType.Float32)]
    [InlineData(double.NaN, ScalarType.Float64, ScalarType.Float16)]
    [InlineData(1e5, ScalarType.Float32, ScalarType.Float16)]
    [InlineData(1e39, ScalarType.Float64, ScalarType.Float32)]
    public void ANumberThatIsNoneInTheNetworksTypeIsRefusedBeforeAnythingIsChanged(
        double number,
        ScalarType from,
        ScalarType to
    )
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var spoilt = zeros(5_000_001, dtype: from);
        spoilt[^1] = number;
        var path = WeightFixtures.Write(folder, "w.safetensors", ("good", ones(3)), ("bad", spoilt));
        using var network = new TensorModule(("good", [3], to), ("bad", [5_000_001], to));
        Assert.Contains(
            "'w.safetensors' hold NaN, infinity or numbers too large for the network's type in 'bad'; "
                + "nothing was changed",
            Refusal(() => WeightFiles.Open(path).LoadInto(network))
        );
        Assert.True(network.IsUntouched);
    }

    [Theory]
    [InlineData(ScalarType.Float32, ScalarType.Float32)]
    [InlineData(ScalarType.Float32, ScalarType.Float16)]
    [InlineData(ScalarType.Float32, ScalarType.BFloat16)]
    [InlineData(ScalarType.Float64, ScalarType.Float32)]
    [InlineData(ScalarType.Float64, ScalarType.Float16)]
    [InlineData(ScalarType.Float64, ScalarType.BFloat16)]
    [InlineData(ScalarType.BFloat16, ScalarType.Float16)]
    [InlineData(ScalarType.Float16, ScalarType.Float32)]
    public void NumbersNearTheLimitsPassExactlyWhereTorchsConversionStaysFinite(ScalarType from, ScalarType to)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var random = new Random(5);
        double[] limits =
        [
            65504,
            65519.996,
            65520,
            65536,
            float.MaxValue,
            3.3895313892515355e38,
            3.3961775292304957e38,
            3.4028235677973363e38,
            3.4028235677973366e38,
        ];
        var passed = 0;
        foreach (var limit in limits)
            for (var draw = 0; draw < 12; draw++)
            {
                var number = draw switch
                {
                    0 => limit,
                    1 => -limit,
                    2 => Math.BitDecrement(limit),
                    _ => limit * (1 + (random.NextDouble() - 0.5) * Math.Pow(10, -random.Next(1, 9))),
                };
                using var step = NewDisposeScope();
                var stored = full([3], number, dtype: float64).to_type(from);
                using var network = new TensorModule(("w", [3], to));
                var files = WeightFiles.Open(WeightFixtures.Write(folder, "w.safetensors", ("w", stored)));
                var finite = isfinite(stored.to_type(to)).all().item<bool>();
                if (finite)
                    files.LoadInto(network);
                else
                    Refusal(() => files.LoadInto(network));
                passed += finite ? 1 : 0;
            }
        Assert.InRange(passed, 1, limits.Length * 12 - 1);
    }

    [Fact]
    public void AWrongSetOfShardsGetsOneSentenceEach()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var first = WeightFixtures.Write(folder, "1.safetensors", ("a", ones(2)));
        WeightFixtures.Write(folder, "2.safetensors", ("b", ones(2)));
        WeightFixtures.Write(folder, "3.safetensors", ("a", ones(2)));
        string Of(params (string, string)[] map) =>
            Refusal(() => WeightFiles.Open(WeightFixtures.Index(folder, "i.index.json", map)));
        Assert.Contains(
            "names '9.safetensors', which is not beside it; fetch the missing files",
            Of(("a", "1.safetensors"), ("b", "9.safetensors"))
        );
        Assert.Contains(
            "names the file '../1.safetensors', which does not lie in its own folder",
            Of(("a", "../1.safetensors"))
        );
        Assert.Contains("names the file '/etc/passwd'", Of(("a", "/etc/passwd")));
        Assert.Contains("names the file '..'", Of(("a", "..")));
        Assert.Contains(
            "does not belong to its shards: the files that it names do not hold 'c'; they hold 'b', which it "
                + "does not name",
            Of(("a", "1.safetensors"), ("c", "2.safetensors"))
        );
        Assert.Contains(
            "hold 'a' twice, in '1.safetensors' and '3.safetensors'",
            Of(("a", "1.safetensors"), ("x", "3.safetensors"))
        );
        Assert.Contains("names no tensors", Of());
        File.WriteAllText(folder.File("j.index.json"), "{\"weight_map\":");
        Assert.Contains(
            "'j.index.json' is not valid JSON",
            Refusal(() => WeightFiles.Open(folder.File("j.index.json")))
        );
        File.WriteAllText(folder.File("k.index.json"), "[]");
        Assert.Contains(
            "'k.index.json' has no weight_map",
            Refusal(() => WeightFiles.Open(folder.File("k.index.json")))
        );
        File.WriteAllBytes(first, File.ReadAllBytes(first)[..^1]);
        Assert.Contains(
            "'1.safetensors' has 7 bytes of numbers, but its header describes 8; it is cut off or damaged",
            Of(("a", "1.safetensors"))
        );
        Assert.Contains("is a folder", Refusal(() => WeightFiles.Open(folder.Folder)));
        Assert.Contains(
            "there is no checkpoint at",
            Assert.Throws<FileNotFoundException>(() => WeightFiles.Open(folder.File("none.safetensors"))).Message
        );
    }

    [Fact]
    public void RandomFilesStreamToWhatTheReaderReadsAndRandomDamageIsRefusedOrRead()
    {
        using var folder = new TemporaryFolder();
        ScalarType[] types = [ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Float64];
        Check.One(
            Config.QuickThrowOnFailure.WithQuietOnSuccess(true).WithMaxTest(60),
            Prop.ForAll(
                ArbMap.Default.ArbFor<(byte Type, byte[] Shape)[]>(),
                drawn =>
                {
                    using var scope = NewDisposeScope();
                    var tensors = drawn
                        .Take(6)
                        .Select(
                            (d, i) =>
                                (
                                    $"t{i} \"ü\"",
                                    randn([.. d.Shape.Take(4).Select(n => (long)n % 4)], dtype: float64)
                                        .to_type(types[d.Type % 4])
                                )
                        )
                        .ToArray();
                    var path = WeightFixtures.Write(folder, "w.safetensors", tensors);
                    using var network = new TensorModule([
                        .. tensors.Select(t => (t.Item1, t.Item2.shape, ScalarType.Float64)),
                    ]);
                    WeightFiles.Open(path).LoadInto(network);
                    using var read = Safetensors.Read(path);
                    foreach (var (name, tensor) in tensors)
                        Assert.True(
                            network[name].eq(tensor.to_type(float64)).all().item<bool>()
                                && read[name].eq(tensor).all().item<bool>()
                        );
                }
            )
        );
        var whole = File.ReadAllBytes(
            WeightFixtures.Write(folder, "w.safetensors", ("a", ones(2, 3)), ("b", ones(1, dtype: float16)))
        );
        var (opened, refused) = (0, 0);
        Check.One(
            Config.QuickThrowOnFailure.WithQuietOnSuccess(true).WithMaxTest(400),
            Prop.ForAll(
                ArbMap.Default.ArbFor<(int, byte)[]>(),
                flips =>
                {
                    var damaged = whole.ToArray();
                    foreach (var (where, with) in flips.Take(3))
                        damaged[(int)((uint)(where * 7919) % damaged.Length)] = with;
                    File.WriteAllBytes(folder.File("d.safetensors"), damaged);
                    try
                    {
                        WeightFiles.Open(folder.File("d.safetensors"));
                        opened++;
                    }
                    catch (InvalidDataException)
                    {
                        refused++;
                    }
                }
            )
        );
        Assert.True(opened > 0 && refused > 0, $"{opened} opened, {refused} refused");
    }
}
