namespace BalancedDiffusion.Training;

/// <summary>One row of the history of a run that is measured on held-out data as it goes.</summary>
/// <param name="Step">How many updates were made.</param>
/// <param name="Loss">The mean loss over the steps since the last row.</param>
/// <param name="LearningRate">The rate of the last update.</param>
/// <param name="Seconds">Wall-clock time of the whole run until here, over all its sessions.</param>
/// <param name="Measures">What the EMA of the weights measures on held-out data, by name; the same names in every
/// row.</param>
public sealed record ValidatedRow(
    long Step,
    double Loss,
    double LearningRate,
    double Seconds,
    IReadOnlyDictionary<string, double> Measures
);
