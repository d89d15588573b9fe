using BalancedDiffusion.Runtime;
using TorchSharp;
using TorchSharp.Modules;

namespace BalancedDiffusion.Networks.StableDiffusion;

/// <summary>
/// The U-Net of Stable Diffusion v1 (Rombach et al. 2022), which predicts the noise in latents conditioned on a text,
/// under the names of diffusers: <c>conv_in</c>, <c>time_embedding</c>, <c>down_blocks.i.{resnets, attentions,
/// downsamplers}.j</c>, <c>mid_block</c>, <c>up_blocks.i.{resnets, attentions, upsamplers}.j</c>, <c>conv_norm_out</c>,
/// <c>conv_out</c>. Every module is called through <c>call</c>, so that a hook on its name can read and change what it
/// gives. <c>resnets.j.nonlinearity</c> is the SiLU behind norm2, the representation of the paper's experiments. Two
/// threads must not run one network at a time.
/// </summary>
public sealed class ConditionalUNet : torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor>
{
    private const double OutputEpsilon = 1e-5;
    private readonly LatentConvolution conv_in,
        conv_out;
    private readonly LatentTimeWaves time_proj;
    private readonly LatentTimeEmbedding time_embedding;
    private readonly ModuleList<ConditionalUNetDownBlock> down_blocks = torch.nn.ModuleList<ConditionalUNetDownBlock>();
    private readonly ConditionalUNetMidBlock mid_block;
    private readonly ModuleList<ConditionalUNetUpBlock> up_blocks = torch.nn.ModuleList<ConditionalUNetUpBlock>();
    private readonly UNetGroupNorm conv_norm_out;
    private readonly UNetSilu conv_act = new();
    private readonly Stack<torch.Tensor> skips;

    /// <summary>A network of random weights, for tests, timings and a notebook without the published ones. Its numbers
    /// mean nothing.</summary>
    /// <param name="options">Its sizes.</param>
    /// <param name="seed">The seed of the draw.</param>
    /// <exception cref="ArgumentException">The sizes do not fit together.</exception>
    public ConditionalUNet(ConditionalUNetOptions options, long seed)
        : this(options, WeightSources.Drawn(seed)) { }

    /// <summary>A network of the tensors of a checkpoint. Those of the type and on the device wanted are shared, not
    /// copied.</summary>
    /// <param name="options">Its sizes.</param>
    /// <param name="tensors">Tensors by published name, exactly those of the network.</param>
    /// <param name="type">float32 on the CPU; float16 or bfloat16 for CUDA; float64 for tests.</param>
    /// <param name="device">Where it lies, the CPU where null.</param>
    /// <exception cref="ArgumentException">The sizes do not fit together.</exception>
    /// <exception cref="InvalidDataException">The message lists every missing, unexpected and mis-shaped
    /// tensor.</exception>
    public ConditionalUNet(
        ConditionalUNetOptions options,
        IReadOnlyDictionary<string, torch.Tensor> tensors,
        torch.ScalarType type = torch.ScalarType.Float32,
        torch.Device? device = null
    )
        : this(
            options,
            WeightSources.From(
                tensors,
                "a Stable Diffusion U-Net",
                weights => new ConditionalUNet(options, weights),
                type,
                device
            )
        ) { }

    internal ConditionalUNet(ConditionalUNetOptions options, WeightSource weights)
        : base(nameof(ConditionalUNet))
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        Options = options;
        using var scope = torch.NewDisposeScope();
        var plan = new ConditionalUNetPlan(options, weights);
        skips = plan.Skips;
        var channels = options.BlockChannels;
        conv_in = new LatentConvolution(weights, "conv_in", options.InChannels, channels[0], 3);
        time_proj = new LatentTimeWaves(channels[0]);
        time_embedding = new LatentTimeEmbedding(weights, "time_embedding", channels[0], options.EmbeddingWidth);
        plan.SkipWidths.Push(channels[0]);
        for (var i = 0; i < channels.Count; i++)
            down_blocks.Add(new ConditionalUNetDownBlock(plan, i, channels[Math.Max(0, i - 1)]));
        mid_block = new ConditionalUNetMidBlock(plan);
        for (var i = 0; i < channels.Count; i++)
            up_blocks.Add(
                new ConditionalUNetUpBlock(plan, i, channels[Math.Min(channels.Count - 1, channels.Count - i)])
            );
        conv_norm_out = new UNetGroupNorm(weights, "conv_norm_out", channels[0], options.Groups, OutputEpsilon);
        conv_out = new LatentConvolution(weights, "conv_out", channels[0], options.OutChannels, 3);
        RegisterComponents();
        WeightSources.Keep(this);
    }

    /// <summary>The sizes.</summary>
    public ConditionalUNetOptions Options { get; }

    /// <summary>The type of the weights.</summary>
    public torch.ScalarType Type => parameters().First().dtype;

    /// <summary>Where the weights lie.</summary>
    public torch.Device Device => parameters().First().device;

    /// <summary>The noise in the latents, as the network predicts it.</summary>
    /// <param name="sample">Latents in the variance-preserving notation, (batch, InChannels, height, width), of the
    /// weights' type and on their device; any height and width.</param>
    /// <param name="timestep">Timesteps (batch), whole or not, of any number type.</param>
    /// <param name="text">What the text encoder makes of the texts, (batch, tokens, TextWidth), floating point.</param>
    /// <returns>(batch, OutChannels, height, width). The caller owns it.</returns>
    /// <exception cref="ArgumentException">A shape, a type or a device does not fit.</exception>
    public override torch.Tensor forward(torch.Tensor sample, torch.Tensor timestep, torch.Tensor text)
    {
        Guard.Shape(sample, [-1, Options.InChannels, -1, -1]);
        if (sample.shape[2] < 1 || sample.shape[3] < 1)
            throw new ArgumentException(
                $"sample must have at least one place, was {sample.shape[2]} by {sample.shape[3]}",
                nameof(sample)
            );
        if (sample.dtype != Type)
            throw new ArgumentException(
                $"sample must be {Type} like the network's weights, was {sample.dtype}; convert it with sample.to_type",
                nameof(sample)
            );
        if (sample.device_type != Device.type)
            throw new ArgumentException(
                $"sample lies on {sample.device}, the network on {Device}; move one of them",
                nameof(sample)
            );
        var batch = sample.shape[0];
        Guard.Shape(timestep, [batch]);
        Guard.Shape(text, [batch, -1, Options.TextWidth]);
        if (!text.is_floating_point())
            throw new ArgumentException(
                $"text must hold the text encoder's floating-point vectors, was {text.dtype}; encode the tokens first",
                nameof(text)
            );
        using var scope = torch.NewDisposeScope();
        skips.Clear();
        var context = text.to(sample.device).to_type(sample.dtype);
        // float16 does not tell the timesteps above 2048 apart, nor their waves: they are made in float32 at least.
        var times = timestep.to(sample.device).to_type(sample.dtype == torch.float64 ? torch.float64 : torch.float32);
        var embedding = time_embedding.call(time_proj.call(times).to_type(sample.dtype));
        var hidden = conv_in.call(sample);
        skips.Push(hidden);
        foreach (var block in down_blocks)
            hidden = block.call(hidden, embedding, context);
        hidden = mid_block.call(hidden, embedding, context);
        foreach (var block in up_blocks)
            hidden = block.call(hidden, embedding, context);
        return conv_out.call(conv_act.call(conv_norm_out.call(hidden))).MoveToOuterDisposeScope();
    }
}

/// <summary>Timesteps (batch) as waves (batch, width).</summary>
internal sealed class LatentTimeWaves(long width) : torch.nn.Module<torch.Tensor, torch.Tensor>(nameof(LatentTimeWaves))
{
    public override torch.Tensor forward(torch.Tensor times) => DitTimes.Waves(times, width);
}

/// <summary>The embedding of the time that every residual block takes.</summary>
internal sealed class LatentTimeEmbedding : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly UNetLinear linear_1,
        linear_2;
    private readonly UNetSilu act = new();

    public LatentTimeEmbedding(WeightSource weights, string name, long inputs, long outputs)
        : base(nameof(LatentTimeEmbedding))
    {
        linear_1 = new UNetLinear(weights, $"{name}.linear_1", inputs, outputs);
        linear_2 = new UNetLinear(weights, $"{name}.linear_2", outputs, outputs);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor waves)
    {
        using var scope = torch.NewDisposeScope();
        return linear_2.call(act.call(linear_1.call(waves))).MoveToOuterDisposeScope();
    }
}
