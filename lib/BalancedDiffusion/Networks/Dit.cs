using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Networks;

/// <summary>
/// The diffusion transformer with adaLN-Zero (Peebles and Xie 2023), under the names of its published code:
/// <c>pos_embed</c>, <c>x_embedder</c>, <c>t_embedder</c>, <c>y_embedder</c>, <c>blocks.i.{norm1, attn, norm2, mlp,
/// adaLN_modulation}</c>, <c>final_layer</c>. An image is cut into patches, each a token; the blocks mix the tokens;
/// the last layer turns each back into a patch. Every module is called through <c>call</c>, so that a hook on its name
/// can read and change what it gives; <c>blocks.i.mlp.act</c> is the representation (batch, tokens, units) inside a
/// block.
/// </summary>
public sealed class Dit : torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor?, torch.Tensor>
{
    // A buffer: saved under its published name, never trained.
    private readonly torch.Tensor pos_embed;
    private readonly DitPatches x_embedder;
    private readonly DitTimes t_embedder;
    private readonly DitLabels? y_embedder;
    private readonly DitBlocks blocks;
    private readonly DitFinal final_layer;

    /// <summary>A network with the published random start; its output is exactly 0.</summary>
    /// <param name="options">Its sizes.</param>
    /// <param name="seed">The seed of the draw; torch's global generator is not touched.</param>
    /// <param name="dtype">float32 (default) or float64.</param>
    /// <exception cref="ArgumentException">The sizes do not fit together, or the type is neither of the
    /// two.</exception>
    public Dit(DitOptions options, long seed, torch.ScalarType dtype = torch.ScalarType.Float32)
        : this(options, Drawn(options, seed, dtype)) { }

    /// <summary>A network with given tensors, by name; it takes them over.</summary>
    internal Dit(DitOptions options, WeightSource weights)
        : base(nameof(Dit))
    {
        options.Check();
        Options = options;
        using var scope = torch.NewDisposeScope();
        pos_embed = weights("pos_embed", 1, options.Tokens, options.HiddenSize);
        x_embedder = new DitPatches(weights, "x_embedder", options);
        t_embedder = new DitTimes(weights, "t_embedder", options.HiddenSize);
        if (options.Classes > 0)
            y_embedder = new DitLabels(weights, "y_embedder", options);
        blocks = new DitBlocks(weights, "blocks", options);
        final_layer = new DitFinal(weights, "final_layer", options);
        RegisterComponents();
        // A module owns its tensors: they outlive the dispose scope it was made in.
        foreach (var parameter in parameters())
            parameter.DetachFromDisposeScope();
        pos_embed.DetachFromDisposeScope();
    }

    /// <summary>The shape of every tensor of such a network, by name in the published order.</summary>
    /// <exception cref="ArgumentException">The sizes do not fit together.</exception>
    internal static IReadOnlyDictionary<string, long[]> Shapes(DitOptions options) =>
        WeightSources.Shapes(weights => new Dit(options, weights));

    private static WeightSource Drawn(DitOptions options, long seed, torch.ScalarType dtype)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (dtype is not (torch.ScalarType.Float32 or torch.ScalarType.Float64))
            throw new ArgumentException($"dtype must be Float32 or Float64, was {dtype}", nameof(dtype));
        return DitInitialization.Draw(options, seed, dtype);
    }

    /// <summary>The sizes.</summary>
    public DitOptions Options { get; }

    /// <summary>The type of the weights.</summary>
    public torch.ScalarType Type => parameters().First().dtype;

    /// <summary>The network's output: in the published ones the noise in x and, where the variance is learned, as many
    /// channels more for that.</summary>
    /// <param name="x">(batch, channels, size, size), of the weights' type and on their device.</param>
    /// <param name="t">Timesteps (batch), whole or not.</param>
    /// <param name="labels">Labels (batch), int64, from 0 to Classes - 1, or Classes for the empty one; null for all
    /// empty, and for a network without classes.</param>
    /// <returns>(batch, OutputChannels, size, size). The caller owns it.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit, or a label does not exist.</exception>
    public override torch.Tensor forward(torch.Tensor x, torch.Tensor t, torch.Tensor? labels)
    {
        Guard.Shape(x, [-1, Options.Channels, Options.InputSize, Options.InputSize]);
        if (x.dtype != Type)
            throw new ArgumentException(
                $"x must be {Type} like the network's weights, was {x.dtype}; convert it with x.to_type",
                nameof(x)
            );
        if (x.device_type != pos_embed.device_type)
            throw new ArgumentException(
                $"x lies on {x.device}, the network on {pos_embed.device}; move one of them",
                nameof(x)
            );
        Guard.Shape(t, [x.shape[0]]);
        using var scope = torch.NewDisposeScope();
        var each = Checked(labels, x.shape[0])?.to(x.device);
        var tokens = x_embedder.call(x) + pos_embed;
        var condition = t_embedder.call(t.to(x.device).to_type(x.dtype));
        if (each is not null)
            condition = condition + y_embedder!.call(each);
        foreach (var block in blocks.Items)
        {
            var next = block.call(tokens, condition);
            tokens.Dispose();
            tokens = next;
        }
        var (side, patch) = (Options.InputSize / Options.PatchSize, Options.PatchSize);
        return final_layer
            .call(tokens, condition)
            .reshape(-1, side, side, patch, patch, Options.OutputChannels)
            .permute(0, 5, 1, 3, 2, 4)
            .reshape(-1, Options.OutputChannels, Options.InputSize, Options.InputSize)
            .MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The output under classifier-free guidance (Ho and Salimans 2022), <c>g = g_empty + w (g_label - g_empty)</c>,
    /// from one run over a doubled batch: a hook sees the samples with their labels first, then the same samples with
    /// the empty label.
    /// </summary>
    /// <param name="x">(batch, channels, size, size).</param>
    /// <param name="t">Timesteps (batch).</param>
    /// <param name="labels">Labels (batch), int64.</param>
    /// <param name="weight">w, finite; 1 is the network with its labels.</param>
    /// <param name="guidedChannels">How many of the first output channels are guided, 0 to OutputChannels; the
    /// published code guides 3, so that its samples can be made again. Null for all that are not variance. The others
    /// are those of the labelled half.</param>
    /// <returns>(batch, OutputChannels, size, size). The caller owns it.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit, or the network has no empty label.</exception>
    public torch.Tensor Guided(
        torch.Tensor x,
        torch.Tensor t,
        torch.Tensor labels,
        double weight,
        long? guidedChannels = null
    )
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(t);
        ArgumentNullException.ThrowIfNull(labels);
        CheckGuidance(weight, guidedChannels);
        Guard.Shape(t, [-1]);
        using var scope = torch.NewDisposeScope();
        var each = Checked(labels, x.shape[0])!;
        var (labelled, empty) = DoubledBatch.Split(
            call(
                DoubledBatch.Of(x, x),
                DoubledBatch.Of(t, t),
                DoubledBatch.Of(each, torch.full_like(each, Options.Classes))
            )
        );
        var count = guidedChannels ?? Options.Channels;
        var guided = GuidedDenoiser.Mixture(empty.narrow(1, 0, count), labelled.narrow(1, 0, count), weight);
        return torch
            .cat([guided, labelled.narrow(1, count, Options.OutputChannels - count)], 1)
            .MoveToOuterDisposeScope();
    }

    /// <summary>The weight must be finite and there must be an empty label.</summary>
    internal void CheckGuidance(double weight, long? guidedChannels)
    {
        GuidedDenoiser.CheckWeight(weight);
        if (guidedChannels is { } count && (count < 0 || count > Options.OutputChannels))
            throw new ArgumentOutOfRangeException(
                nameof(guidedChannels),
                $"guidedChannels must be from 0 to {Options.OutputChannels}, was {count}"
            );
        if (!Options.HasEmptyLabel)
            throw new ArgumentException(
                "guidance needs an empty label, which a network with Classes or ClassDropout of 0 lacks; use "
                    + "weight 1, or another network",
                nameof(weight)
            );
    }

    /// <summary>The labels, checked; null where the network has none.</summary>
    internal torch.Tensor? Checked(torch.Tensor? labels, long batch)
    {
        if (Options.Classes == 0)
            return labels is null
                ? null
                : throw new ArgumentException(
                    "labels must be null, since the network was made without classes (Classes = 0)",
                    nameof(labels)
                );
        if (labels is null)
            return Options.HasEmptyLabel
                ? torch.full([batch], Options.Classes, dtype: torch.int64)
                : throw new ArgumentNullException(
                    nameof(labels),
                    $"labels must give a label from 0 to {Options.Classes - 1} to each sample, since the network "
                        + "has no empty label (ClassDropout = 0)"
                );
        Guard.Shape(labels, [batch]);
        if (labels.dtype != torch.int64)
            throw new ArgumentException(
                $"labels must hold whole numbers of type Int64, was {labels.dtype}",
                nameof(labels)
            );
        using var scope = torch.NewDisposeScope();
        var greatest = Options.HasEmptyLabel ? Options.Classes : Options.Classes - 1;
        var values = labels.cpu().data<long>().ToArray();
        if (values.Any(v => v < 0 || v > greatest))
            throw new ArgumentOutOfRangeException(
                nameof(labels),
                $"labels must hold labels from 0 to {greatest}, was {values.First(v => v < 0 || v > greatest)}"
            );
        return labels.alias().MoveToOuterDisposeScope();
    }
}
