namespace BalancedDiffusion.Training;

/// <summary>One row of a run's history.</summary>
/// <param name="Step">How many updates were made.</param>
/// <param name="Loss">The mean over the steps since the last row of the mean squared error over all entries, each
/// sample weighted by <see cref="TrainingOptions.Weighting"/>.</param>
/// <param name="Objective">The loss plus the penalty <c>(wd/2) Σ‖P‖²</c> at this step: for a
/// <see cref="Denoisers.ReluDae"/> the paper's objective divided by d. The loss alone for AdamW, whose decay is no
/// penalty.</param>
/// <param name="LearningRate">The rate of the last update.</param>
/// <param name="Seconds">Wall-clock time of the whole run until here, over all its sessions.</param>
public sealed record TrainingRow(long Step, double Loss, double Objective, double LearningRate, double Seconds);
