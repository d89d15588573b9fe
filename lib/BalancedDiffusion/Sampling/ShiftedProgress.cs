namespace BalancedDiffusion.Sampling;

/// <summary>Tells of the steps of one batch among those that came before it.</summary>
internal sealed class ShiftedProgress(IProgress<int> progress, int before) : IProgress<int>
{
    public void Report(int value) => progress.Report(before + value);
}
