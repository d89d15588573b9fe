using System.IO.Compression;
using BalancedDiffusion.Checkpoints;
using FsCheck;
using FsCheck.Fluent;
using TorchSharp;

namespace BalancedDiffusion.Tests.Checkpoints;

public class PthCheckpointTests
{
    private static byte[] Floats(params float[] values) => values.SelectMany(BitConverter.GetBytes).ToArray();

    private static readonly byte[] Six = Floats(1, 2, 3, 4, 5, 6);

    private static string Refusal(byte[]? pickle, byte[]? storage = null, string? byteOrder = "little")
    {
        using var folder = new TemporaryFolder();
        return Assert
            .Throws<InvalidDataException>(() =>
                PthCheckpoint.Read(PickleBytes.Save(folder, pickle, storage ?? Six, byteOrder))
            )
            .Message;
    }

    private static T With<T>(byte[] pickle, byte[] storage, Func<NamedTensors, T> look)
    {
        using var folder = new TemporaryFolder();
        using var tensors = PthCheckpoint.Read(PickleBytes.Save(folder, pickle, storage));
        return look(tensors);
    }

    [Fact]
    public void StridesAndOffsetsOfAViewAreFollowed()
    {
        Assert.Equal(
            [1f, 2, 3, 4, 5, 6],
            With(PickleBytes.One("FloatStorage", 6, 0, [2, 3], [3, 1]), Six, t => t["w"].data<float>().ToArray())
        );
        Assert.Equal(
            [1f, 4, 2, 5, 3, 6],
            With(PickleBytes.One("FloatStorage", 6, 0, [3, 2], [1, 3]), Six, t => t["w"].data<float>().ToArray())
        );
        Assert.Equal(
            [3f, 5],
            With(PickleBytes.One("FloatStorage", 6, 2, [2], [2]), Six, t => t["w"].data<float>().ToArray())
        );
        Assert.Equal(
            [4f, 4, 4],
            With(PickleBytes.One("FloatStorage", 6, 3, [3], [0]), Six, t => t["w"].data<float>().ToArray())
        );
        Assert.Equal(
            [6f],
            With(PickleBytes.One("FloatStorage", 6, 5, [], []), Six, t => t["w"].data<float>().ToArray())
        );
        Assert.Equal([0L, 7], With(PickleBytes.One("FloatStorage", 6, 0, [0, 7], [7, 1]), Six, t => t["w"].shape));
    }

    [Fact]
    public void EveryStorageTypeOfTheAllowListIsRead()
    {
        var bytes = Enumerable.Range(0, 8).Select(i => (byte)(i == 7 ? 0x40 : i % 2)).ToArray(); // 0,1,0,1,0,1,0,64
        foreach (
            var (name, type, size) in new[]
            {
                ("FloatStorage", torch.ScalarType.Float32, 4),
                ("DoubleStorage", torch.ScalarType.Float64, 8),
                ("HalfStorage", torch.ScalarType.Float16, 2),
                ("BFloat16Storage", torch.ScalarType.BFloat16, 2),
                ("LongStorage", torch.ScalarType.Int64, 8),
                ("IntStorage", torch.ScalarType.Int32, 4),
                ("ShortStorage", torch.ScalarType.Int16, 2),
                ("CharStorage", torch.ScalarType.Int8, 1),
                ("ByteStorage", torch.ScalarType.Byte, 1),
            }
        )
            Assert.Equal(
                (type, Convert.ToHexString(bytes)),
                With(
                    PickleBytes.One(name, 8 / size, 0, [8 / size], [1]),
                    bytes,
                    t => (t["w"].dtype, Convert.ToHexString(t["w"].bytes))
                )
            );
        Assert.Equal(
            [false, true, true],
            With(PickleBytes.One("BoolStorage", 3, 0, [3], [1]), [0, 1, 1], t => t["w"].data<bool>().ToArray())
        );
        Assert.Contains("neither 0 nor 1", Refusal(PickleBytes.One("BoolStorage", 3, 0, [3], [1]), [0, 1, 2]));
    }

    [Fact]
    public void ViewsOfOneStorageComeBackAsTensorsOfTheirOwn()
    {
        var pickle = new PickleBytes()
            .Proto()
            .Dict()
            .Mark()
            .Text("a")
            .Tensor("FloatStorage", "0", 6, 0, [2, 3], [3, 1])
            .Text("b")
            .Tensor("FloatStorage", "0", 6, 0, [3, 2], [1, 3])
            .SetItems()
            .Stop();
        var (before, after) = With(
            pickle,
            Six,
            t =>
            {
                var first = t["b"].data<float>().ToArray();
                t["a"].zero_();
                return (first, t["b"].data<float>().ToArray());
            }
        );
        Assert.Equal([1f, 4, 2, 5, 3, 6], before);
        Assert.Equal(before, after);
    }

    [Fact]
    public void NestedDictionariesAreJoinedByDotsInOrderAndOtherValuesLeftOut()
    {
        var pickle = new PickleBytes()
            .Proto()
            .Dict()
            .Mark()
            .Text("epoch")
            .Int(7)
            .Text("model")
            .Dict()
            .Mark()
            .Text("z.w")
            .Tensor("FloatStorage", "0", 6, 0, [1], [1])
            .Text("a")
            .Tensor("FloatStorage", "0", 6, 1, [1], [1])
            .SetItems()
            .Text("state")
            .Dict()
            .Mark()
            .Int(3)
            .Tensor("FloatStorage", "0", 6, 2, [1], [1])
            .SetItems()
            .SetItems()
            .Stop();
        Assert.Equal(["model.z.w", "model.a", "state.3"], With(pickle, Six, t => t.Keys.ToArray()));
    }

    [Fact]
    public void CompressedEntriesAreReadToo()
    {
        using var folder = new TemporaryFolder();
        using var tensors = PthCheckpoint.Read(
            PickleBytes.Save(
                folder,
                PickleBytes.One("FloatStorage", 6, 0, [6], [1]),
                Six,
                level: CompressionLevel.Optimal
            )
        );
        Assert.Equal([1f, 2, 3, 4, 5, 6], tensors["w"].data<float>().ToArray());
    }

    [Theory]
    [InlineData("os", "system")]
    [InlineData("posix", "system")]
    [InlineData("builtins", "eval")]
    [InlineData("__builtin__", "exec")]
    [InlineData("subprocess", "Popen")]
    [InlineData("torch", "load")]
    [InlineData("torch._utils", "_rebuild_device_tensor_from_numpy")]
    [InlineData("torch.storage", "FloatStorage")]
    public void ACheckpointThatAsksToRunSomethingIsRefusedBeforeAnythingHappens(string module, string name)
    {
        using var folder = new TemporaryFolder();
        var witness = folder.File("witness");
        var command = new PickleBytes()
            .Proto()
            .Global(module, name)
            .Mark()
            .Text($"touch {witness}")
            .Tuple()
            .Reduce()
            .Stop();
        var stacked = new PickleBytes()
            .Raw(0x80, 4)
            .Text(module)
            .Text(name)
            .Raw(0x93)
            .Mark()
            .Text($"touch {witness}")
            .Tuple()
            .Reduce()
            .Stop();
        var instance = new PickleBytes()
            .Raw((byte)'(')
            .Text($"touch {witness}")
            .Raw([(byte)'i', .. System.Text.Encoding.ASCII.GetBytes($"{module}\n{name}\n")])
            .Stop();
        foreach (var pickle in new[] { command, stacked, instance })
        {
            var message = Assert
                .Throws<InvalidDataException>(() => PthCheckpoint.Read(PickleBytes.Save(folder, pickle, Six)))
                .Message;
            Assert.EndsWith($"asks to run '{module}.{name}'; it was refused, nothing was run", message);
        }
        Assert.False(File.Exists(witness));
    }

    [Fact]
    public void AMaliciousCallHiddenInAStateDictIsRefused()
    {
        var pickle = new PickleBytes()
            .Proto()
            .Dict()
            .Mark()
            .Text("w")
            .Tensor("FloatStorage", "0", 6, 0, [6], [1])
            .Text("x")
            .Global("os", "system")
            .Mark()
            .Text("true")
            .Tuple()
            .Reduce()
            .SetItems()
            .Stop();
        Assert.Contains("asks to run 'os.system'; it was refused, nothing was run", Refusal(pickle));
    }

    [Theory]
    [InlineData(7, 0, new[] { 7 }, new[] { 1 }, "7 elements of 4 bytes, but it has 24 bytes")]
    [InlineData(-1, 0, new[] { 1 }, new[] { 1 }, "-1 elements")]
    [InlineData(6, 1, new[] { 6 }, new[] { 1 }, "beyond its storage")]
    [InlineData(6, 0, new[] { 2, 3 }, new[] { 4, 1 }, "beyond its storage")]
    [InlineData(6, -1, new[] { 2 }, new[] { 1 }, "negative")]
    [InlineData(6, 5, new[] { 2 }, new[] { -1 }, "negative")]
    [InlineData(6, 0, new[] { -2 }, new[] { 1 }, "negative")]
    [InlineData(6, 0, new[] { 2, 3 }, new[] { 1 }, "2 sizes and 1 strides")]
    [InlineData(6, 0, new[] { 2000000000, 2000000000, 2000000000 }, new[] { 0, 0, 0 }, "repeated out of 6 elements")]
    [InlineData(
        6,
        0,
        new[] { 2000000000, 2000000000, 2000000000 },
        new[] { 2000000000, 2000000000, 1 },
        "beyond its storage"
    )]
    public void SizesThatDisagreeWithTheStorageAreRefused(
        int count,
        int offset,
        int[] size,
        int[] stride,
        string words
    ) => Assert.Contains(words, Refusal(PickleBytes.One("FloatStorage", count, offset, size, stride)));

    [Fact]
    public void DamagedAndForeignFilesGetOneSentence()
    {
        var good = PickleBytes.One("FloatStorage", 6, 0, [6], [1]);
        Assert.Contains("without data.pkl", Refusal(null));
        Assert.Contains("byte order 'middle'", Refusal(good, byteOrder: "middle"));
        Assert.Contains("big-endian", Refusal(good, byteOrder: "big"));
        Assert.Contains("holds no tensors", Refusal(new PickleBytes().Proto().Dict().Stop()));
        Assert.Contains("no state dict needs", Refusal([0x80, 2, 0x81, (byte)'.']));
        Assert.Contains("protocol 9", Refusal([0x80, 9]));
        Assert.Contains(
            "twice",
            Refusal(
                new PickleBytes()
                    .Proto()
                    .Dict()
                    .Mark()
                    .Text("w")
                    .Tensor("FloatStorage", "0", 6, 0, [6], [1])
                    .Text("w")
                    .Tensor("FloatStorage", "0", 6, 0, [6], [1])
                    .SetItems()
                    .Stop()
            )
        );
        using var folder = new TemporaryFolder();
        foreach (
            var (bytes, words) in new (byte[], string)[]
            {
                ([], "is empty"),
                ("<!DOCTYPE html><html>"u8.ToArray(), "it begins with '<!DOCTYPE html><'"),
                (
                    [0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, (byte)'.'],
                    "before 1.6"
                ),
                (good, "bare pickle"),
                ("PK\u0003\u0004 and then nothing of use"u8.ToArray(), "cut off or damaged"),
            }
        )
        {
            File.WriteAllBytes(folder.File("x.pth"), bytes);
            var message = Assert.Throws<InvalidDataException>(() => PthCheckpoint.Read(folder.File("x.pth"))).Message;
            Assert.StartsWith("the checkpoint 'x.pth' ", message);
            Assert.Contains(words, message);
        }
        Assert.Contains(
            "there is no checkpoint",
            Assert.Throws<FileNotFoundException>(() => PthCheckpoint.Read(folder.File("none.pth"))).Message
        );
    }

    [Fact]
    public void APickleThatUnfoldsWithoutEndIsRefused()
    {
        // Each dictionary holds the one before it twice: forty lines, 2^40 entries.
        var pickle = new PickleBytes().Proto().Dict().Raw((byte)'q', 0);
        for (var i = 0; i < 30; i++)
            pickle
                .Dict()
                .Mark()
                .Text("a")
                .Raw((byte)'h', (byte)i)
                .Text("b")
                .Raw((byte)'h', (byte)i)
                .SetItems()
                .Raw((byte)'q', (byte)(i + 1));
        Assert.Contains("more than 200000 entries", Refusal(pickle.Stop()));
        var deep = new PickleBytes().Proto();
        for (var i = 0; i < 100_000; i++)
            deep.Dict().Text("a");
        deep.Int(1);
        for (var i = 0; i < 100_000; i++)
            deep.Raw((byte)'s');
        Assert.Contains("32 deep", Refusal(deep.Stop()));
        // A dictionary that holds itself.
        Assert.Contains(
            "32 deep",
            Refusal(new PickleBytes().Proto().Dict().Raw((byte)'q', 0).Text("a").Raw((byte)'h', 0, (byte)'s').Stop())
        );
    }

    [Fact]
    public void AFileCutAnywhereIsRefused()
    {
        using var folder = new TemporaryFolder();
        var whole = File.ReadAllBytes(PickleBytes.Save(folder, PickleBytes.One("FloatStorage", 6, 0, [6], [1]), Six));
        for (var length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(folder.File("cut.pth"), whole[..length]);
            Assert.Throws<InvalidDataException>(() => PthCheckpoint.Read(folder.File("cut.pth")));
        }
    }

    [Fact]
    public void AFileWithDamagedBytesIsRefusedOrReadsAsWritten()
    {
        using var folder = new TemporaryFolder();
        var whole = File.ReadAllBytes(
            PickleBytes.Save(folder, PickleBytes.One("FloatStorage", 6, 0, [2, 3], [3, 1]), Six)
        );
        var path = folder.File("flip.pth");
        var read = 0;
        foreach (var flip in new byte[] { 1, 0x80, 0xff })
            for (var i = 0; i < whole.Length; i++)
            {
                var damaged = whole.ToArray();
                damaged[i] ^= flip;
                read += ReadsAsWritten(damaged) ? 1 : 0;
            }
        Assert.InRange(read, 1, 3 * whole.Length / 2); // time stamps and the version can be damaged without harm
        Check.One(
            Config.QuickThrowOnFailure.WithQuietOnSuccess(true).WithMaxTest(300),
            Prop.ForAll(
                ArbMap.Default.ArbFor<(int, byte)[]>(),
                flips =>
                {
                    var damaged = whole.ToArray();
                    foreach (var (where, with) in flips)
                        damaged[(int)((uint)where % damaged.Length)] ^= with;
                    ReadsAsWritten(damaged);
                }
            )
        );

        bool ReadsAsWritten(byte[] bytes)
        {
            File.WriteAllBytes(path, bytes);
            try
            {
                using var tensors = PthCheckpoint.Read(path);
                Assert.Equal(["w"], tensors.Keys);
                Assert.Equal([2L, 3], tensors["w"].shape);
                Assert.Equal([1f, 2, 3, 4, 5, 6], tensors["w"].data<float>().ToArray());
                return true;
            }
            catch (InvalidDataException)
            {
                return false;
            }
        }
    }

    [Fact]
    public void ARandomPickleIsRefusedOrReadButNothingElseHappens()
    {
        using var folder = new TemporaryFolder();
        var good = new PickleBytes()
            .Proto()
            .Dict()
            .Mark()
            .Text("a")
            .Tensor("FloatStorage", "0", 6, 0, [2, 3], [3, 1])
            .Text("b")
            .Tensor("FloatStorage", "0", 6, 1, [5], [1])
            .SetItems()
            .Stop();
        var (read, refused) = (0, 0);
        Check.One(
            Config.QuickThrowOnFailure.WithQuietOnSuccess(true).WithMaxTest(400),
            Prop.ForAll(
                ArbMap.Default.ArbFor<(int, byte)[]>(),
                flips =>
                {
                    var pickle = good.ToArray();
                    foreach (var (where, with) in flips.Take(4))
                        pickle[(int)((uint)(where * 7919) % pickle.Length)] = with;
                    Try(pickle);
                }
            )
        );
        Check.One(
            Config.QuickThrowOnFailure.WithQuietOnSuccess(true).WithMaxTest(300),
            Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), tail => Try([0x80, 2, .. tail, (byte)'.']))
        );
        Assert.True(read > 0 && refused > 0);

        void Try(byte[] pickle)
        {
            try
            {
                PthCheckpoint.Read(PickleBytes.Save(folder, pickle, Six)).Dispose();
                read++;
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }
    }

    [Fact]
    public void NothingLeaksOnReadOrRefusal()
    {
        using var folder = new TemporaryFolder();
        var good = PickleBytes.Save(folder, PickleBytes.One("FloatStorage", 6, 0, [6], [1]), Six);
        var bad = PickleBytes.Save(folder, PickleBytes.One("BoolStorage", 24, 0, [24], [1]), Six);
        using var scope = torch.NewDisposeScope();
        PthCheckpoint.Read(good).Dispose();
        Assert.Throws<InvalidDataException>(() => PthCheckpoint.Read(bad));
        Assert.Equal(0, scope.DisposablesCount);
    }

    [Fact]
    public void TheAuthorsCheckpointsAreRead()
    {
        foreach (var path in new[] { SharedData.Memorizing, SharedData.Generalizing })
        {
            using var tensors = PthCheckpoint.Read(path);
            Assert.Equal(["encoder.0.weight", "decoder.0.weight"], tensors.Keys);
            var (encoder, decoder) = (tensors["encoder.0.weight"], tensors["decoder.0.weight"]);
            Assert.Equal([100L, 1024], encoder.shape);
            Assert.Equal([1024L, 100], decoder.shape);
            Assert.True(decoder.is_contiguous());
            Assert.True(encoder.eq(decoder.t()).all().item<bool>());
        }
    }

    [Fact]
    public void ColumnNormsOfTheAuthorsMemorizingNetworkAreThePublishedOnes()
    {
        using var scope = torch.NewDisposeScope();
        using var tensors = PthCheckpoint.Read(SharedData.Memorizing);
        var norms = tensors["encoder.0.weight"].norm(1).data<float>().ToArray().OrderDescending().ToArray();
        foreach (var (norm, published) in norms.Zip([.98, .97, .95, .93, .92, .02]))
            Assert.Equal(published, norm, 0.01);
        Assert.True(norms[5] < 0.03);
    }

    [Fact]
    public void TheAuthorsCheckpointCutAtAnyTenthIsRefused()
    {
        var whole = File.ReadAllBytes(SharedData.Memorizing);
        using var folder = new TemporaryFolder();
        for (var tenth = 0; tenth < 10; tenth++)
        {
            File.WriteAllBytes(folder.File("cut.pth"), whole[..(whole.Length * tenth / 10)]);
            Assert.Throws<InvalidDataException>(() => PthCheckpoint.Read(folder.File("cut.pth")));
        }
    }
}
