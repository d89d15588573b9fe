namespace BalancedDiffusion.Notebook;

/// <summary>Starts progress bars that stay in place and end as one line, such as "training: 3,000 of 3,000, 12.3
/// s".</summary>
public static class Progress
{
    /// <summary>A bar for work of a known number of steps.</summary>
    /// <param name="what">What is being done, e.g. <c>training</c>.</param>
    /// <param name="total">The number of steps, ≥ 1.</param>
    public static ProgressBar Start(string what, long total)
    {
        Runtime.Guard.AtLeast(total, 1);
        return new ProgressBar(what, total);
    }

    /// <summary>A bar for a run of training, to be handed to the trainer; it learns the number of steps from the first
    /// report.</summary>
    /// <param name="what">What is being trained, e.g. <c>memorizing DAE</c>.</param>
    public static ProgressBar Training(string what) => new(what, 0);
}
