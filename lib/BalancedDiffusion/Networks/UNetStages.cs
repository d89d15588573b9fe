using TorchSharp;

namespace BalancedDiffusion.Networks;

/// <summary>What a stage of one half of a U-Net does to the state of the pass.</summary>
internal enum UNetStageKind
{
    Convolution,
    Block,
    BlockWithSkip,
    AuxDown,
    AuxSkip,
    AuxResidual,
    AuxUp,
    AuxNorm,
    AuxConvolution,
}

/// <summary>The stages of one half of a U-Net in order, registered by their published names.</summary>
internal sealed class UNetStages : torch.nn.Module
{
    private readonly string half;
    private readonly List<(UNetStageKind Kind, torch.nn.Module Module)> stages = [];

    public UNetStages(string half)
        : base(half) => this.half = half;

    public IReadOnlyList<(UNetStageKind Kind, torch.nn.Module Module)> All => stages;

    /// <summary>Makes the next stage, which is told its name in the network.</summary>
    public void Add(string name, UNetStageKind kind, Func<string, torch.nn.Module> make)
    {
        var module = make($"{half}.{name}");
        stages.Add((kind, module));
        register_module(name, module);
    }
}
