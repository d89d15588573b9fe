using TorchSharp;

namespace BalancedDiffusion.Denoisers;

/// <summary>The batch of a network that answers with and without a condition in one run, as classifier-free guidance
/// needs it: twice as long, the conditional samples first.</summary>
internal static class DoubledBatch
{
    /// <summary>The batch, conditional rows first.</summary>
    public static torch.Tensor Of(torch.Tensor conditional, torch.Tensor unconditional) =>
        torch.cat([conditional, unconditional], 0);

    /// <summary>Whether what a module gives for a batch of so many samples is doubled.</summary>
    public static bool Is(torch.Tensor output, long batch) => output.dim() > 1 && output.shape[0] == 2 * batch;

    /// <summary>The two halves, as views.</summary>
    public static (torch.Tensor Conditional, torch.Tensor Unconditional) Split(torch.Tensor doubled)
    {
        var half = doubled.shape[0] / 2;
        return (doubled.narrow(0, 0, half), doubled.narrow(0, half, half));
    }
}
