using TorchSharp;
using TorchSharp.Modules;

namespace BalancedDiffusion.Networks.StableDiffusion;

/// <summary>What the blocks of a conditional U-Net have in common: its sizes, the states that the way down leaves for
/// the way up, the last on top, and, while it is built, their widths.</summary>
internal sealed record ConditionalUNetPlan(ConditionalUNetOptions Options, WeightSource Weights)
{
    public Stack<torch.Tensor> Skips { get; } = new();

    public Stack<long> SkipWidths { get; } = new();

    public LatentResidual Residual(string name, long inputs, long outputs) =>
        new(Weights, name, inputs, outputs, Options.EmbeddingWidth, Options.Groups, Options.NormEpsilon);

    public LatentTransformer Transformer(string name, long channels) =>
        new(Weights, name, channels, Options.TextWidth, Options.Heads, Options.Groups);
}

/// <summary>A level on the way down. What each of its layers gives is left for the way up.</summary>
internal sealed class ConditionalUNetDownBlock : torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor>
{
    private readonly ModuleList<LatentResidual> resnets = torch.nn.ModuleList<LatentResidual>();
    private readonly ModuleList<LatentTransformer>? attentions;
    private readonly ModuleList<LatentDownsampling>? downsamplers;
    private readonly Stack<torch.Tensor> skips;

    public ConditionalUNetDownBlock(ConditionalUNetPlan plan, int level, long inputs)
        : base(nameof(ConditionalUNetDownBlock))
    {
        var (name, outputs) = ($"down_blocks.{level}", plan.Options.BlockChannels[level]);
        skips = plan.Skips;
        if (plan.Options.Attends[level])
            attentions = torch.nn.ModuleList<LatentTransformer>();
        for (var i = 0; i < plan.Options.LayersPerBlock; i++)
        {
            resnets.Add(plan.Residual($"{name}.resnets.{i}", i == 0 ? inputs : outputs, outputs));
            attentions?.Add(plan.Transformer($"{name}.attentions.{i}", outputs));
            plan.SkipWidths.Push(outputs);
        }
        if (level + 1 < plan.Options.BlockChannels.Count)
        {
            downsamplers = torch.nn.ModuleList(
                new LatentDownsampling(plan.Weights, $"{name}.downsamplers.0", outputs, padsEndsOnly: false)
            );
            plan.SkipWidths.Push(outputs);
        }
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor hidden, torch.Tensor embedding, torch.Tensor text)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor Leave(torch.Tensor state)
        {
            skips.Push(state.MoveToOuterDisposeScope());
            return state;
        }
        for (var i = 0; i < resnets.Count; i++)
        {
            hidden = resnets[i].call(hidden, embedding);
            if (attentions is not null)
                hidden = attentions[i].call(hidden, text);
            hidden = Leave(hidden);
        }
        return downsamplers is null ? hidden : Leave(downsamplers[0].call(hidden));
    }
}

/// <summary>The block between the two ways.</summary>
internal sealed class ConditionalUNetMidBlock : torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor>
{
    private readonly ModuleList<LatentResidual> resnets;
    private readonly ModuleList<LatentTransformer> attentions;

    public ConditionalUNetMidBlock(ConditionalUNetPlan plan)
        : base(nameof(ConditionalUNetMidBlock))
    {
        var channels = plan.Options.BlockChannels[^1];
        resnets = torch.nn.ModuleList(
            plan.Residual("mid_block.resnets.0", channels, channels),
            plan.Residual("mid_block.resnets.1", channels, channels)
        );
        attentions = torch.nn.ModuleList(plan.Transformer("mid_block.attentions.0", channels));
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor hidden, torch.Tensor embedding, torch.Tensor text)
    {
        using var scope = torch.NewDisposeScope();
        return resnets[1]
            .call(attentions[0].call(resnets[0].call(hidden, embedding), text), embedding)
            .MoveToOuterDisposeScope();
    }
}

/// <summary>A level on the way up. Each of its layers is also given what a layer of the way down left.</summary>
internal sealed class ConditionalUNetUpBlock : torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor>
{
    private readonly ModuleList<LatentResidual> resnets = torch.nn.ModuleList<LatentResidual>();
    private readonly ModuleList<LatentTransformer>? attentions;
    private readonly ModuleList<LatentUpsampling>? upsamplers;
    private readonly Stack<torch.Tensor> skips;

    /// <param name="plan">The sizes of the network, its weights, and the activations kept on the way down.</param>
    /// <param name="place">The number of the block on the way up, from 0.</param>
    /// <param name="inputs">The channels of its input, ≥ 1.</param>
    public ConditionalUNetUpBlock(ConditionalUNetPlan plan, int place, long inputs)
        : base(nameof(ConditionalUNetUpBlock))
    {
        var level = plan.Options.BlockChannels.Count - 1 - place;
        var (name, outputs) = ($"up_blocks.{place}", plan.Options.BlockChannels[level]);
        skips = plan.Skips;
        if (plan.Options.Attends[level])
            attentions = torch.nn.ModuleList<LatentTransformer>();
        for (var i = 0; i <= plan.Options.LayersPerBlock; i++)
        {
            resnets.Add(
                plan.Residual($"{name}.resnets.{i}", (i == 0 ? inputs : outputs) + plan.SkipWidths.Pop(), outputs)
            );
            attentions?.Add(plan.Transformer($"{name}.attentions.{i}", outputs));
        }
        if (level > 0)
            upsamplers = torch.nn.ModuleList(
                new LatentUpsampling(plan.Weights, $"{name}.upsamplers.0", outputs, skips)
            );
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor hidden, torch.Tensor embedding, torch.Tensor text)
    {
        using var scope = torch.NewDisposeScope();
        for (var i = 0; i < resnets.Count; i++)
        {
            using var inner = torch.NewDisposeScope();
            using var skip = skips.Pop();
            hidden = resnets[i].call(torch.cat([hidden, skip], 1), embedding);
            if (attentions is not null)
                hidden = attentions[i].call(hidden, text);
            hidden = hidden.MoveToOuterDisposeScope();
        }
        return (upsamplers is null ? hidden : upsamplers[0].call(hidden)).MoveToOuterDisposeScope();
    }
}
