namespace BalancedDiffusion.Training;

/// <summary>What a run reports while it works, once a row of its history.</summary>
/// <param name="Steps">The number of updates that the run will make.</param>
/// <param name="Row">The newest row of the history.</param>
/// <param name="StepsPerSecond">The speed since this session began.</param>
public sealed record TrainingProgress(long Steps, TrainingRow Row, double StepsPerSecond)
{
    /// <summary>How many updates were made.</summary>
    public long Step => Row.Step;

    /// <summary>The mean loss since the last report.</summary>
    public double Loss => Row.Loss;

    /// <summary>The share of the run that is done, in (0, 1].</summary>
    public double Share => (double)Row.Step / Steps;

    /// <summary>The seconds left at this speed.</summary>
    public double SecondsLeft => (Steps - Row.Step) / StepsPerSecond;
}
