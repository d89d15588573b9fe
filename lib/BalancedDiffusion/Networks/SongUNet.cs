using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Networks;

/// <summary>
/// The U-Net of DDPM++ and NCSN++ (Song et al. 2021) as EDM trains it (Karras et al. 2022): residual blocks with group
/// normalization and SiLU, attention at low resolution, conditioned on the noise level and, where there are classes,
/// the class. Names, shapes and arithmetic are those of the published state dicts: <c>map_*</c> for the embedding,
/// <c>enc.{res}x{res}_*</c> down, <c>dec.{res}x{res}_*</c> up.
/// <para>Every module is reached by <c>call</c>, so that hooks on it see and may replace what it returns; in each block
/// <c>silu0</c> and <c>silu1</c> are the nonlinearities, the second one the input of <c>conv1</c>. It is made in
/// evaluation mode, so that dropout is off until training turns it on.</para>
/// </summary>
public sealed class SongUNet : torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor?, torch.Tensor>
{
    private readonly UNetNoiseEmbedding map_noise;
    private readonly UNetLinear? map_label,
        map_augment;
    private readonly UNetLinear map_layer0,
        map_layer1;
    private readonly UNetStages enc,
        dec;

    /// <summary>A network with freshly drawn weights: uniform after Glorot, the last layer of every branch near zero,
    /// biases zero.</summary>
    /// <param name="options">Its shape.</param>
    /// <param name="seed">The seed of the draw; torch's global generator is left alone.</param>
    /// <param name="dtype">float32 (default) or float64.</param>
    /// <exception cref="ArgumentException">The options do not go together.</exception>
    public SongUNet(SongUNetOptions options, long seed, torch.ScalarType dtype = torch.ScalarType.Float32)
        : this(options, SongUNetInitialization.Draw(options, seed, dtype)) { }

    /// <summary>A network with given tensors, by name; it takes them over.</summary>
    internal SongUNet(SongUNetOptions options, WeightSource weights)
        : base(nameof(SongUNet))
    {
        options.Check();
        Options = options;
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        long noise = options.NoiseWidth,
            embedding = options.EmbeddingWidth;
        map_noise = new UNetNoiseEmbedding(
            weights,
            "map_noise",
            noise,
            isRandom: options.Embedding == SongUNetEmbedding.Fourier
        );
        if (options.LabelDim > 0)
            map_label = new UNetLinear(weights, "map_label", options.LabelDim, noise);
        if (options.AugmentDim > 0)
            map_augment = new UNetLinear(weights, "map_augment", options.AugmentDim, noise, hasBias: false);
        map_layer0 = new UNetLinear(weights, "map_layer0", noise, embedding);
        map_layer1 = new UNetLinear(weights, "map_layer1", embedding, embedding);
        var plan = new Plan(options, weights);
        (enc, dec) = (plan.Down(), plan.Up());
        RegisterComponents();
        // A module owns its tensors: they outlive the dispose scope it was made in.
        foreach (var tensor in state_dict().Values)
            tensor.DetachFromDisposeScope();
        eval();
    }

    /// <summary>The shape of the network.</summary>
    public SongUNetOptions Options { get; }

    /// <summary>The type of the weights, which the input must have.</summary>
    public torch.ScalarType Type => map_layer0.Type;

    /// <summary>Where the weights lie.</summary>
    public torch.Device Device => map_layer0.Device;

    /// <summary>The raw output F of the network.</summary>
    /// <param name="image">Scaled images, (batch, Channels, Resolution, Resolution).</param>
    /// <param name="noise">The conditioning on the noise level, shape (batch) or (1); EDM tells it
    /// <c>ln(sigma)/4</c>.</param>
    /// <param name="labels">One row of class weights a sample, (batch, LabelDim) or (1, LabelDim), one-hot as a rule,
    /// zero for no class; null for an unconditional network.</param>
    /// <returns>(batch, Channels, Resolution, Resolution), which the caller owns.</returns>
    /// <exception cref="ArgumentException">A shape or type is wrong, or labels lack or are too many.</exception>
    public override torch.Tensor forward(torch.Tensor image, torch.Tensor noise, torch.Tensor? labels)
    {
        Guard.Shape(image, [-1, Options.Channels, Options.Resolution, Options.Resolution]);
        if (image.dtype != Type)
            throw new ArgumentException(
                $"image must be {Type} like the network's weights, was {image.dtype}; convert it with image.to_type",
                nameof(image)
            );
        ArgumentNullException.ThrowIfNull(noise);
        if (noise.dim() != 1 || noise.shape[0] != 1 && noise.shape[0] != image.shape[0])
            throw new ArgumentException(
                $"noise must have shape (1) or ({image.shape[0]}), was ({string.Join(", ", noise.shape)})",
                nameof(noise)
            );
        CheckLabels(labels, image.shape[0]);
        using var scope = torch.NewDisposeScope();
        var embedding = Embed(noise, labels);
        return Rise(Descend(image, embedding), embedding).MoveToOuterDisposeScope();
    }

    /// <summary>Throws unless the labels fit the network and the batch.</summary>
    internal void CheckLabels(torch.Tensor? labels, long batch)
    {
        if (Options.LabelDim == 0)
        {
            if (labels is not null)
                throw new ArgumentException(
                    "labels must be null: the network knows no classes (LabelDim is 0)",
                    nameof(labels)
                );
            return;
        }
        if (labels is null)
            throw new ArgumentException(
                $"labels are missing: the network takes one of {Options.LabelDim} classes; choose them with "
                    + "WithLabels, or none with WithoutLabels",
                nameof(labels)
            );
        if (
            labels.dim() != 2
            || labels.shape[1] != Options.LabelDim
            || labels.shape[0] != 1 && labels.shape[0] != batch
        )
            throw new ArgumentException(
                $"labels must have shape ({batch}, {Options.LabelDim}) or (1, {Options.LabelDim}), was "
                    + $"({string.Join(", ", labels.shape)})",
                nameof(labels)
            );
        Guard.Finite(labels);
    }

    private torch.Tensor Embed(torch.Tensor noise, torch.Tensor? labels)
    {
        var waves = map_noise.call(noise);
        var half = waves.shape[1] / 2;
        // The published layers were trained on the sines first.
        var embedding = torch.cat([waves.narrow(1, half, half), waves.narrow(1, 0, half)], 1);
        if (map_label is not null)
        {
            var weights = labels!.to(waves.device).to_type(waves.dtype);
            if (training && Options.LabelDropout > 0)
                weights =
                    weights
                    * torch
                        .rand([weights.shape[0], 1], dtype: weights.dtype, device: weights.device)
                        .ge(Options.LabelDropout);
            embedding = embedding + map_label.call(weights * Math.Sqrt(map_label.Inputs));
        }
        return torch.nn.functional.silu(map_layer1.call(torch.nn.functional.silu(map_layer0.call(embedding))));
    }

    private Stack<torch.Tensor> Descend(torch.Tensor image, torch.Tensor embedding)
    {
        var skips = new Stack<torch.Tensor>();
        torch.Tensor x = image,
            aux = image;
        foreach (var (kind, module) in enc.All)
            switch (kind)
            {
                case UNetStageKind.AuxDown:
                    aux = Call(module, aux);
                    break;
                case UNetStageKind.AuxSkip:
                    skips.Pop();
                    skips.Push(x = x + Call(module, aux));
                    break;
                case UNetStageKind.AuxResidual:
                    skips.Pop();
                    skips.Push(x = aux = (x + Call(module, aux)) / Math.Sqrt(2));
                    break;
                case UNetStageKind.Block:
                    skips.Push(x = ((UNetBlock)module).call(x, embedding));
                    break;
                default:
                    skips.Push(x = Call(module, x));
                    break;
            }
        return skips;
    }

    private torch.Tensor Rise(Stack<torch.Tensor> skips, torch.Tensor embedding)
    {
        var x = skips.Peek();
        torch.Tensor? image = null,
            normed = null;
        foreach (var (kind, module) in dec.All)
            switch (kind)
            {
                case UNetStageKind.AuxUp:
                    image = Call(module, image!);
                    break;
                case UNetStageKind.AuxNorm:
                    normed = Call(module, x);
                    break;
                case UNetStageKind.AuxConvolution:
                    var made = Call(module, torch.nn.functional.silu(normed!));
                    image = image is null ? made : image + made;
                    break;
                case UNetStageKind.BlockWithSkip:
                    x = ((UNetBlock)module).call(torch.cat([x, skips.Pop()], 1), embedding);
                    break;
                default:
                    x = ((UNetBlock)module).call(x, embedding);
                    break;
            }
        return image!;
    }

    private static torch.Tensor Call(torch.nn.Module module, torch.Tensor input) =>
        ((torch.nn.Module<torch.Tensor, torch.Tensor>)module).call(input);

    /// <summary>Lays out the two halves; the second needs what the first left behind.</summary>
    private sealed class Plan(SongUNetOptions options, WeightSource weights)
    {
        private readonly Stack<long> skips = new();
        private long channels = options.Channels;

        private int Levels => options.ChannelMultipliers.Count;

        public UNetStages Down()
        {
            var stages = new UNetStages(nameof(enc));
            long auxChannels = options.Channels;
            for (var level = 0; level < Levels; level++)
            {
                var resolution = options.Resolution >> level;
                var prefix = $"{resolution}x{resolution}";
                if (level == 0)
                {
                    stages.Add(
                        $"{prefix}_conv",
                        UNetStageKind.Convolution,
                        name => Convolution(name, channels, channels = options.ModelChannels, 3)
                    );
                    skips.Push(channels);
                }
                else
                {
                    stages.Add(
                        $"{prefix}_down",
                        UNetStageKind.Block,
                        name => Block(name, channels, channels, UNetResampling.Down)
                    );
                    skips.Push(channels);
                    if (options.Encoder == SongUNetEncoder.Skip)
                    {
                        stages.Add(
                            $"{prefix}_aux_down",
                            UNetStageKind.AuxDown,
                            name => Filter(name, auxChannels, UNetResampling.Down)
                        );
                        stages.Add(
                            $"{prefix}_aux_skip",
                            UNetStageKind.AuxSkip,
                            name => Convolution(name, auxChannels, channels, 1)
                        );
                    }
                    if (options.Encoder == SongUNetEncoder.Residual)
                        stages.Add(
                            $"{prefix}_aux_residual",
                            UNetStageKind.AuxResidual,
                            name => new UNetConvolution(
                                weights,
                                name,
                                auxChannels,
                                auxChannels = channels,
                                3,
                                UNetResampling.Down,
                                options.ResampleFilter.Count,
                                kernelFirst: true
                            )
                        );
                }
                for (var i = 0; i < options.Blocks; i++)
                {
                    stages.Add(
                        $"{prefix}_block{i}",
                        UNetStageKind.Block,
                        name =>
                            Block(
                                name,
                                channels,
                                channels = Width(level),
                                attends: options.AttentionResolutions.Contains(resolution)
                            )
                    );
                    skips.Push(channels);
                }
            }
            return stages;
        }

        public UNetStages Up()
        {
            var stages = new UNetStages(nameof(dec));
            for (var level = Levels - 1; level >= 0; level--)
            {
                var resolution = options.Resolution >> level;
                var prefix = $"{resolution}x{resolution}";
                var isDeepest = level == Levels - 1;
                if (isDeepest)
                {
                    stages.Add(
                        $"{prefix}_in0",
                        UNetStageKind.Block,
                        name => Block(name, channels, channels, attends: true)
                    );
                    stages.Add($"{prefix}_in1", UNetStageKind.Block, name => Block(name, channels, channels));
                }
                else
                    stages.Add(
                        $"{prefix}_up",
                        UNetStageKind.Block,
                        name => Block(name, channels, channels, UNetResampling.Up)
                    );
                for (var i = 0; i <= options.Blocks; i++)
                    stages.Add(
                        $"{prefix}_block{i}",
                        UNetStageKind.BlockWithSkip,
                        name =>
                            Block(
                                name,
                                channels + skips.Pop(),
                                channels = Width(level),
                                attends: i == options.Blocks && options.AttentionResolutions.Contains(resolution)
                            )
                    );
                if (options.Decoder != SongUNetDecoder.Skip && level > 0)
                    continue;
                if (options.Decoder == SongUNetDecoder.Skip && !isDeepest)
                    stages.Add(
                        $"{prefix}_aux_up",
                        UNetStageKind.AuxUp,
                        name => Filter(name, options.Channels, UNetResampling.Up)
                    );
                stages.Add(
                    $"{prefix}_aux_norm",
                    UNetStageKind.AuxNorm,
                    name => new UNetGroupNorm(weights, name, channels)
                );
                stages.Add(
                    $"{prefix}_aux_conv",
                    UNetStageKind.AuxConvolution,
                    name => Convolution(name, channels, options.Channels, 3)
                );
            }
            return stages;
        }

        private long Width(int level) => (long)options.ModelChannels * options.ChannelMultipliers[level];

        private UNetBlock Block(
            string name,
            long inputs,
            long outputs,
            UNetResampling resampling = UNetResampling.None,
            bool attends = false
        ) => new(weights, name, options, inputs, outputs, resampling, attends);

        private UNetConvolution Convolution(string name, long inputs, long outputs, int kernel) =>
            new(weights, name, inputs, outputs, kernel);

        private UNetConvolution Filter(string name, long count, UNetResampling resampling) =>
            new(weights, name, count, count, 0, resampling, options.ResampleFilter.Count);
    }
}
