using System.Text;
using BalancedDiffusion.Checkpoints;
using FsCheck;
using FsCheck.Fluent;
using TorchSharp;

namespace BalancedDiffusion.Tests.Checkpoints;

public class SafetensorsTests
{
    private static byte[] File_(string header, params byte[] numbers)
    {
        var json = Encoding.UTF8.GetBytes(header);
        return [.. BitConverter.GetBytes((long)json.Length), .. json, .. numbers];
    }

    private static string Refusal(byte[] bytes)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("x.safetensors"), bytes);
        var message = Assert.Throws<InvalidDataException>(() => Safetensors.Read(folder.File("x.safetensors"))).Message;
        Assert.StartsWith("the file 'x.safetensors' ", message);
        return message;
    }

    [Fact]
    public void AFileWrittenByHandIsRead()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(
            folder.File("x"),
            File_(
                """{"__metadata__":{"how":"by hand"},"b":{"dtype":"F32","shape":[1,2],"data_offsets":[3,11]}"""
                    + ""","a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}"""
                    + ""","s":{"dtype":"BOOL","shape":[],"data_offsets":[11,12]}}  """,
                [7, 8, 9, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 1]
            )
        );
        using var tensors = Safetensors.Read(folder.File("x"));
        Assert.Equal(["b", "a", "s"], tensors.Keys);
        Assert.Equal([1f, -2], tensors["b"].data<float>().ToArray());
        Assert.Equal([1L, 2], tensors["b"].shape);
        Assert.Equal([7, 8, 9], tensors["a"].data<byte>().ToArray());
        Assert.Empty(tensors["s"].shape);
        Assert.True(tensors["s"].item<bool>());
        Assert.Equal("by hand", tensors.Metadata["how"]);
        Assert.Equal("by hand", Safetensors.ReadMetadata(folder.File("x"))["how"]);
    }

    [Fact]
    public void EveryTypeComesBackBitForBitNaNPayloadsIncluded()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var generator = new torch.Generator(5);
        var payloads = torch.tensor([
            BitConverter.Int32BitsToSingle(0x7fc12345),
            BitConverter.Int32BitsToSingle(unchecked((int)0xffc00001)),
            float.NegativeInfinity,
            -0f,
        ]);
        var tensors = new OrderedDictionary<string, torch.Tensor>
        {
            ["payloads"] = payloads,
            ["none"] = torch.empty([3, 0, 2]),
            ["scalar"] = torch.tensor(3.5, dtype: torch.float64),
        };
        foreach (
            var type in new[]
            {
                torch.float16,
                torch.bfloat16,
                torch.float32,
                torch.float64,
                torch.int64,
                torch.int32,
                torch.int16,
                torch.int8,
                torch.uint8,
            }
        )
            tensors[$"t {type}"] = (torch.randn([3, 5], generator: generator) * 50).abs().to_type(type);
        tensors["bool"] = torch.tensor([true, false, true]);
        tensors["transposed ü✓"] = torch.arange(6, dtype: torch.float32).view(2, 3).t();
        const string note = "quotes \" and \\ and \u0001 and 日本";
        var metadata = new Dictionary<string, string> { ["note"] = note, [""] = "" };
        Safetensors.Write(folder.File("deep/er/x.safetensors"), tensors, metadata);
        using var back = Safetensors.Read(folder.File("deep/er/x.safetensors"));
        Assert.Equal(tensors.Keys, back.Keys);
        Assert.Equal(metadata, back.Metadata);
        foreach (var (name, tensor) in tensors)
        {
            Assert.Equal(tensor.dtype, back[name].dtype);
            Assert.Equal(tensor.shape, back[name].shape);
            if (tensor.numel() > 0)
                Assert.Equal(Convert.ToHexString(tensor.contiguous().bytes), Convert.ToHexString(back[name].bytes));
        }
        Assert.Equal(
            ["x.safetensors"],
            Directory.GetFileSystemEntries(folder.File("deep/er")).Select(Path.GetFileName)
        );
    }

    [Fact]
    public void TheReferenceImplementationsFilesAreRead()
    {
        using var tensors = Safetensors.Read(SharedData.Path("golden", "dit-tiny.safetensors"));
        Assert.Equal(4, tensors["x_embedder.proj.weight"].dim());
        Assert.All(tensors.Values, t => Assert.True(torch.isfinite(t).all().item<bool>()));
    }

    [Fact]
    public void WritingReplacesAFileWholeAndAFailureLeavesItAlone()
    {
        using var folder = new TemporaryFolder();
        using var one = torch.tensor([1f]);
        using var complex = torch.zeros(1, dtype: torch.complex64);
        Safetensors.Write(folder.File("x"), [new("a", one)]);
        Assert.Contains(
            "which safetensors cannot hold",
            Assert
                .Throws<ArgumentException>(() =>
                    Safetensors.Write(folder.File("x"), [new("b", one), new("c", complex)])
                )
                .Message
        );
        Assert.Contains(
            "comes twice",
            Assert
                .Throws<ArgumentException>(() => Safetensors.Write(folder.File("x"), [new("b", one), new("b", one)]))
                .Message
        );
        Assert.Contains(
            "__metadata__",
            Assert
                .Throws<ArgumentException>(() => Safetensors.Write(folder.File("x"), [new("__metadata__", one)]))
                .Message
        );
        Assert.Contains(
            "no valid text",
            Assert.Throws<ArgumentException>(() => Safetensors.Write(folder.File("x"), [new("\ud800", one)])).Message
        );
        using (var back = Safetensors.Read(folder.File("x")))
            Assert.Equal(["a"], back.Keys);
        Safetensors.Write(folder.File("x"), [new("b", one)]);
        using (var back = Safetensors.Read(folder.File("x")))
            Assert.Equal(["b"], back.Keys);
        Assert.Single(Directory.GetFileSystemEntries(folder.Folder));
    }

    [Theory]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""",
        5,
        "has 5 bytes of numbers, but its header describes 4"
    )]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""",
        3,
        "has 3 bytes of numbers, but its header describes 4"
    )]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "takes 8")]
    [InlineData("""{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,4]}}""", 4, "takes 8")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "leaves a hole")]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"""
            + ""","b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}""",
        6,
        "overlaps"
    )]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"""
            + ""","b":{"dtype":"F32","shape":[1],"data_offsets":[5,9]}}""",
        9,
        "leaves a hole"
    )]
    [InlineData("""{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}""", 1, "type 'F8_E4M3'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "whole number")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, "whole number")]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,4]}}""",
        4,
        "too large"
    )]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "takes 4")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1]}}""", 4, "without")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"extra":1}}""", 4, "unknown field 'extra'")]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"""
            + ""","a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""",
        8,
        "not valid JSON"
    )]
    [InlineData("""{"__metadata__":{"a":1}}""", 0, "not a text")]
    [InlineData("""{"__metadata__":[]}""", 0, "not a map")]
    [InlineData("""{"a":3}""", 0, "not an object")]
    [InlineData("""{"a":""", 0, "not valid JSON")]
    [InlineData("""{"\ud800":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}""", 0, "not valid JSON")]
    [InlineData(""" {}""", 0, "does not begin with '{'")]
    [InlineData("", 0, "does not begin with '{'")]
    [InlineData("""{"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}""", 1, "neither 0 nor 1")]
    public void AHeaderThatDisagreesWithItsFileIsRefused(string header, int numbers, string words) =>
        Assert.Contains(words, Refusal(File_(header, Enumerable.Repeat((byte)9, numbers).ToArray())));

    [Fact]
    public void ALengthBeyondTheFileIsRefused()
    {
        Assert.Contains("too few", Refusal([1, 2, 3]));
        Assert.Contains("announces a header of 99", Refusal([99, 0, 0, 0, 0, 0, 0, 0, (byte)'{']));
        Assert.Contains("announces a header", Refusal([.. Enumerable.Repeat((byte)255, 8), (byte)'{']));
    }

    [Fact]
    public void DamagedAndCutFilesAreRefusedOrRead()
    {
        using var folder = new TemporaryFolder();
        using (var a = torch.arange(6, dtype: torch.float32).view(2, 3))
        using (var b = torch.tensor([true, false]))
            Safetensors.Write(
                folder.File("x"),
                [new("a", a), new("b", b)],
                new Dictionary<string, string> { ["k"] = "v" }
            );
        var whole = File.ReadAllBytes(folder.File("x"));
        for (var length = 0; length < whole.Length; length++)
            Assert.False(Reads(whole[..length]));
        var read = 0;
        for (var i = 0; i < whole.Length; i++)
        for (var bit = 0; bit < 8; bit++)
        {
            var damaged = whole.ToArray();
            damaged[i] ^= (byte)(1 << bit);
            read += Reads(damaged) ? 1 : 0;
        }
        Assert.InRange(read, 24 * 8, whole.Length * 8 - 1); // the numbers carry no checksum
        Check.One(
            Config.QuickThrowOnFailure.WithQuietOnSuccess(true).WithMaxTest(300),
            Prop.ForAll(
                ArbMap.Default.ArbFor<(int, byte)[]>(),
                flips =>
                {
                    var damaged = whole.ToArray();
                    foreach (var (where, with) in flips)
                        damaged[(int)((uint)where % damaged.Length)] = with;
                    Reads(damaged);
                }
            )
        );

        bool Reads(byte[] bytes)
        {
            File.WriteAllBytes(folder.File("y"), bytes);
            try
            {
                Safetensors.Read(folder.File("y")).Dispose();
                return true;
            }
            catch (InvalidDataException)
            {
                return false;
            }
        }
    }

    [Fact]
    public void NothingLeaks()
    {
        using var folder = new TemporaryFolder();
        using var scope = torch.NewDisposeScope();
        var one = torch.ones(4, 4);
        Safetensors.Write(folder.File("x"), [new("a", one)]);
        Safetensors.Read(folder.File("x")).Dispose();
        Assert.Equal(1, scope.DisposablesCount);
    }
}
