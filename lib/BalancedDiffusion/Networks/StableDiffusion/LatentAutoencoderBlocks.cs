using TorchSharp;
using TorchSharp.Modules;

namespace BalancedDiffusion.Networks.StableDiffusion;

/// <summary>Residual blocks of one level, then a change of resolution but at the last level.</summary>
internal sealed class LatentAutoencoderLevel : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly ModuleList<LatentResidual> resnets = torch.nn.ModuleList<LatentResidual>();
    private readonly ModuleList<LatentDownsampling>? downsamplers;
    private readonly ModuleList<LatentUpsampling>? upsamplers;

    public LatentAutoencoderLevel(
        LatentAutoencoderOptions options,
        WeightSource weights,
        string name,
        long inputs,
        long outputs,
        bool encodes,
        bool last
    )
        : base(nameof(LatentAutoencoderLevel))
    {
        for (var i = 0; i < (encodes ? options.LayersPerBlock : options.LayersPerBlock + 1); i++)
            resnets.Add(
                LatentAutoencoderMiddle.Residual(
                    options,
                    weights,
                    $"{name}.resnets.{i}",
                    i == 0 ? inputs : outputs,
                    outputs
                )
            );
        if (!last && encodes)
            downsamplers = torch.nn.ModuleList(
                new LatentDownsampling(weights, $"{name}.downsamplers.0", outputs, padsEndsOnly: true)
            );
        if (!last && !encodes)
            upsamplers = torch.nn.ModuleList(new LatentUpsampling(weights, $"{name}.upsamplers.0", outputs));
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor hidden)
    {
        using var scope = torch.NewDisposeScope();
        hidden = resnets.Aggregate(hidden, (value, block) => block.call(value, null));
        if (downsamplers is not null)
            hidden = downsamplers[0].call(hidden);
        if (upsamplers is not null)
            hidden = upsamplers[0].call(hidden);
        return hidden.MoveToOuterDisposeScope();
    }
}

/// <summary>Attention of the places to each other, with one head; it adds to its input.</summary>
internal sealed class LatentAutoencoderAttention : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly UNetGroupNorm group_norm;
    private readonly UNetLinear to_q,
        to_k,
        to_v;
    private readonly DitSequence to_out;

    public LatentAutoencoderAttention(
        LatentAutoencoderOptions options,
        WeightSource weights,
        string name,
        long channels
    )
        : base(nameof(LatentAutoencoderAttention))
    {
        group_norm = new UNetGroupNorm(
            weights,
            $"{name}.group_norm",
            channels,
            options.Groups,
            LatentAutoencoderMiddle.Epsilon
        );
        to_q = new UNetLinear(weights, $"{name}.to_q", channels, channels);
        to_k = new UNetLinear(weights, $"{name}.to_k", channels, channels);
        to_v = new UNetLinear(weights, $"{name}.to_v", channels, channels);
        to_out = new DitSequence(new UNetLinear(weights, $"{name}.to_out.0", channels, channels), new LatentNothing());
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor images)
    {
        using var scope = torch.NewDisposeScope();
        var tokens = group_norm.call(images).flatten(2).transpose(1, 2);
        var mixed = to_out.call(
            LatentAttention.Attend(to_q.call(tokens), to_k.call(tokens), to_v.call(tokens), heads: 1)
        );
        return (images + mixed.transpose(1, 2).reshape(images.shape)).MoveToOuterDisposeScope();
    }
}

/// <summary>The block at the lowest resolution.</summary>
internal sealed class LatentAutoencoderMiddle : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    /// <summary>What every normalization of the autoencoder adds to a variance.</summary>
    public const double Epsilon = 1e-6;
    private readonly ModuleList<LatentResidual> resnets;
    private readonly ModuleList<LatentAutoencoderAttention> attentions;

    public LatentAutoencoderMiddle(LatentAutoencoderOptions options, WeightSource weights, string name)
        : base(nameof(LatentAutoencoderMiddle))
    {
        var channels = options.BlockChannels[^1];
        resnets = torch.nn.ModuleList(
            Residual(options, weights, $"{name}.resnets.0", channels, channels),
            Residual(options, weights, $"{name}.resnets.1", channels, channels)
        );
        attentions = torch.nn.ModuleList(
            new LatentAutoencoderAttention(options, weights, $"{name}.attentions.0", channels)
        );
        RegisterComponents();
    }

    public static LatentResidual Residual(
        LatentAutoencoderOptions options,
        WeightSource weights,
        string name,
        long inputs,
        long outputs
    ) => new(weights, name, inputs, outputs, embedding: 0, options.Groups, Epsilon);

    public override torch.Tensor forward(torch.Tensor hidden)
    {
        using var scope = torch.NewDisposeScope();
        return resnets[1].call(attentions[0].call(resnets[0].call(hidden, null)), null).MoveToOuterDisposeScope();
    }
}

/// <summary>Images (batch, channels, height, width) to the moments of their latents, or latents to images: the same
/// parts in another order.</summary>
internal sealed class LatentAutoencoderHalf : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly LatentConvolution conv_in,
        conv_out;
    private readonly ModuleList<LatentAutoencoderLevel>? down_blocks,
        up_blocks;
    private readonly LatentAutoencoderMiddle mid_block;
    private readonly UNetGroupNorm conv_norm_out;
    private readonly UNetSilu conv_act = new();

    /// <param name="options">The sizes of the autoencoder.</param>
    /// <param name="weights">Where its weights come from.</param>
    /// <param name="name">Its name among them.</param>
    /// <param name="encodes">Whether it is the encoder, which ends on means and log-variances.</param>
    public LatentAutoencoderHalf(LatentAutoencoderOptions options, WeightSource weights, string name, bool encodes)
        : base(nameof(LatentAutoencoderHalf))
    {
        var channels = encodes ? options.BlockChannels : [.. options.BlockChannels.Reverse()];
        conv_in = new LatentConvolution(
            weights,
            $"{name}.conv_in",
            encodes ? options.Channels : options.LatentChannels,
            channels[0],
            3
        );
        var levels = torch.nn.ModuleList<LatentAutoencoderLevel>();
        for (var i = 0; i < channels.Count; i++)
            levels.Add(
                new LatentAutoencoderLevel(
                    options,
                    weights,
                    $"{name}.{(encodes ? "down" : "up")}_blocks.{i}",
                    channels[Math.Max(0, i - 1)],
                    channels[i],
                    encodes,
                    last: i + 1 == channels.Count
                )
            );
        (down_blocks, up_blocks) = encodes ? (levels, (ModuleList<LatentAutoencoderLevel>?)null) : (null, levels);
        mid_block = new LatentAutoencoderMiddle(options, weights, $"{name}.mid_block");
        conv_norm_out = new UNetGroupNorm(
            weights,
            $"{name}.conv_norm_out",
            channels[^1],
            options.Groups,
            LatentAutoencoderMiddle.Epsilon
        );
        conv_out = new LatentConvolution(
            weights,
            $"{name}.conv_out",
            channels[^1],
            encodes ? 2 * options.LatentChannels : options.Channels,
            3
        );
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor input)
    {
        using var scope = torch.NewDisposeScope();
        var hidden = conv_in.call(input);
        if (up_blocks is not null)
            hidden = mid_block.call(hidden);
        hidden = (down_blocks ?? up_blocks!).Aggregate(hidden, (value, level) => level.call(value));
        if (down_blocks is not null)
            hidden = mid_block.call(hidden);
        return conv_out.call(conv_act.call(conv_norm_out.call(hidden))).MoveToOuterDisposeScope();
    }
}
