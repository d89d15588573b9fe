using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Representations;
using TorchSharp;
using static BalancedDiffusion.Tests.Networks.StableDiffusion.StableDiffusionGolden;
using static BalancedDiffusion.Tests.Networks.UNetFixtures;

namespace BalancedDiffusion.Tests.Networks.StableDiffusion;

public class ClipTextEncoderTests
{
    [Fact]
    public void VectorsAreThoseOfTheReference() =>
        MeetsTheReference(Shared("clip-text-tiny"), Shared("clip-text-tiny-io"), torch.float32, Tolerance);

    [Fact]
    public void VectorsOfANanoNetworkAreThoseOfAPlainComputation() =>
        MeetsTheReference(
            File("clip-text-nano.safetensors"),
            File("clip-text-nano-io.safetensors"),
            torch.float64,
            FineTolerance
        );

    private static void MeetsTheReference(string weights, string answers, torch.ScalarType type, double tolerance)
    {
        using var scope = torch.NewDisposeScope();
        using var tensors = Safetensors.Read(weights);
        using var io = Safetensors.Read(answers);
        using var model = new ClipTextEncoder(ClipTextOptions.FromMetadata(tensors.Metadata), tensors, type);
        Close("last_hidden_state", model.call(io["input_ids"]), io["last_hidden_state"], tolerance);
        Assert.Equal(tensors.Keys.Order(StringComparer.Ordinal), model.state_dict().Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void TheCountIsThePublishedOne() => Assert.Equal(123_060_480, new ClipTextOptions().ParameterCount);

    [Fact]
    public void ATokenIsToldOfThoseBeforeItOnly()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Stirred(new ClipTextEncoder(NanoText, 1));
        var (a, b) = (model.call(torch.tensor([5L, 6, 7, 8], [1, 4])), model.call(torch.tensor([5L, 6, 9, 8], [1, 4])));
        Assert.True(Difference(a.narrow(1, 0, 2), b.narrow(1, 0, 2)) < 1e-6);
        Assert.True(Difference(a.narrow(1, 2, 1), b.narrow(1, 2, 1)) > 1e-2);
        Assert.True(Difference(a.narrow(1, 3, 1), b.narrow(1, 3, 1)) > 1e-3);
        Assert.True(Difference(model.call(torch.tensor([5L, 6], [1, 2])), a.narrow(1, 0, 2)) < 1e-6);
    }

    [Fact]
    public void ALayersHooksAreItsRecomputation()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Stirred(new ClipTextEncoder(NanoText, 1));
        var state = model.state_dict();
        const string layer = "text_model.encoder.layers.1";
        string[] names =
        [
            "text_model.encoder.layers.0",
            layer,
            $"{layer}.layer_norm1",
            $"{layer}.self_attn",
            $"{layer}.mlp.activation_fn",
            "text_model.final_layer_norm",
        ];
        using var recorder = new ActivationRecorder(model, names);
        var output = model.call(torch.tensor([5L, 6, 7], [1, 3]));
        torch.Tensor Seen(int i) => recorder.Last(names[i]);
        torch.Tensor Linear(torch.Tensor x, string name) =>
            torch.matmul(x, state[$"{layer}.{name}.weight"].t()) + state[$"{layer}.{name}.bias"];
        torch.Tensor Normed(torch.Tensor x, string name) =>
            (x - x.mean([-1L], true)) / (x.var(-1, false, true) + 1e-5).sqrt() * state[$"{name}.weight"]
            + state[$"{name}.bias"];
        Assert.True(Difference(Normed(Seen(0), $"{layer}.layer_norm1"), Seen(2)) < 1e-5);
        torch.Tensor[] Heads(string name) => Linear(Seen(2), $"self_attn.{name}").chunk(2, -1);
        var (q, k, v) = (Heads("q_proj"), Heads("k_proj"), Heads("v_proj"));
        var heads = Enumerable
            .Range(0, 2)
            .Select(h =>
            {
                var scores =
                    torch.matmul(q[h], k[h].transpose(1, 2)) / Math.Sqrt(3)
                    + torch.full([3, 3], double.NegativeInfinity, dtype: torch.float32).triu(1);
                return torch.matmul(torch.softmax(scores, -1), v[h]);
            });
        Assert.True(Difference(Linear(torch.cat([.. heads], -1), "self_attn.out_proj"), Seen(3)) < 1e-5);
        var middle = Seen(0) + Seen(3);
        var before = Linear(Normed(middle, $"{layer}.layer_norm2"), "mlp.fc1");
        Assert.True(Difference(before / (1 + torch.exp(-1.702 * before)), Seen(4)) < 1e-5);
        Assert.True(Difference(middle + Linear(Seen(4), "mlp.fc2"), Seen(1)) < 1e-5);
        Assert.True(Difference(Normed(Seen(1), "text_model.final_layer_norm"), output) < 1e-5);
        Assert.True(output.eq(Seen(5)).all().item<bool>());
    }

    [Fact]
    public void ACheckpointThatDoesNotFitIsNamedTensorByTensor()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ClipTextEncoder(NanoText, 1);
        var tensors = model.state_dict().ToDictionary(t => t.Key, t => t.Value);
        // What older checkpoints hold besides is no fault.
        tensors["text_model.embeddings.position_ids"] = torch.arange(77, dtype: torch.int64).unsqueeze(0);
        new ClipTextEncoder(NanoText, tensors).Dispose();
        tensors.Remove("text_model.final_layer_norm.bias");
        tensors["text_projection.weight"] = torch.zeros(6, 6);
        tensors["text_model.encoder.layers.0.mlp.fc1.bias"] = torch.zeros(13);
        tensors["text_model.encoder.layers.1.mlp.fc1.bias"] = torch.full([12], double.NaN, dtype: torch.float32);
        var message = Assert.Throws<InvalidDataException>(() => new ClipTextEncoder(NanoText, tensors)).Message;
        Assert.Equal(
            "the tensors are not those of CLIP's text encoder of these sizes: missing "
                + "'text_model.final_layer_norm.bias'; unexpected 'text_projection.weight'; "
                + "'text_model.encoder.layers.0.mlp.fc1.bias' must have shape (12), was (13); "
                + "'text_model.encoder.layers.1.mlp.fc1.bias' holds NaN or infinity",
            message
        );
    }

    [Fact]
    public void BadInputIsNamedInOneSentence()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ClipTextEncoder(NanoText, 1);
        Refused("tokens must have shape (any, any), was (3)", () => model.call(torch.zeros([3], dtype: torch.int64)));
        Refused("tokens must be Int64, were Float32", () => model.call(torch.zeros(1, 3)));
        Refused("tokens must be 1 to 77 a text, were 78", () => model.call(torch.zeros([1, 78], dtype: torch.int64)));
        Refused(
            "a token must be 0 to 49407, was 49408",
            () => model.call(torch.full([1, 3], 49408, dtype: torch.int64))
        );
        Refused("a token must be 0 to 49407, was -1", () => model.call(torch.full([1, 3], -1, dtype: torch.int64)));
        Refused(
            "Width must be a multiple of Heads = 4, was 6",
            () => new ClipTextEncoder(NanoText with { Heads = 4 }, 1)
        );
        Refused("Layers must be at least 1, was 0", () => NanoText with { Layers = 0 });
    }
}
