namespace BalancedDiffusion.Training;

/// <summary>The loss or a weight became NaN or infinite. The model was put back to its last finite weights; what was
/// recorded is in <see cref="Result"/>.</summary>
public sealed class TrainingDivergedException : InvalidOperationException
{
    internal TrainingDivergedException(string message, TrainingResult result)
        : base(message) => Result = result;

    /// <summary>The history until then; <see cref="TrainingResult.StepsDone"/> is the step that the model was put back
    /// to.</summary>
    public TrainingResult Result { get; }
}
