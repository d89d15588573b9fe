using TorchSharp;
using static TorchSharp.torch.nn;

namespace BalancedDiffusion.Benchmarks;

/// <summary>Counts the multiplications and additions of a forward pass that meet a weight: those of linear maps and
/// convolutions. What attention multiplies without a weight is left out.</summary>
public static class FlopCount
{
    /// <summary>The count of one run.</summary>
    /// <param name="network">The network.</param>
    /// <param name="run">Runs it once.</param>
    public static double Of(Module network, Action run)
    {
        var flops = 0.0;
        var hooks = new List<Action>();
        foreach (var (_, module) in network.named_modules())
        {
            if (module is not Module<torch.Tensor, torch.Tensor> layer)
                continue;
            var weight = layer.named_parameters(recurse: false).FirstOrDefault(p => p.name == "weight").parameter;
            if (weight is null || weight.dim() < 2)
                continue;
            var perOutput = 2.0 * weight.NumberOfElements / weight.shape[0];
            var hook = layer.register_forward_hook(
                (_, _, output) =>
                {
                    flops += perOutput * output.NumberOfElements;
                    return output;
                }
            );
            hooks.Add(() => hook.remove());
        }
        run();
        foreach (var remove in hooks)
            remove();
        return flops;
    }
}
