using TorchSharp;
using TorchSharp.Modules;

namespace BalancedDiffusion.Networks;

/// <summary>A table of vectors, one a label, token or position.</summary>
internal sealed class VectorTable : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly Parameter weight;

    public VectorTable(WeightSource weights, string name, long rows, long width)
        : base(nameof(VectorTable))
    {
        weight = new Parameter(weights($"{name}.weight", rows, width));
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor rows)
    {
        using var scope = torch.NewDisposeScope();
        return weight
            .index_select(0, rows.flatten())
            .reshape([.. rows.shape, weight.shape[1]])
            .MoveToOuterDisposeScope();
    }
}
