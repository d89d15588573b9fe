namespace BalancedDiffusion.Exercises;

/// <summary>A mistake that is often made in an exercise: an answer that makes it, and what is said of one that gives
/// the same.</summary>
/// <param name="Sentence">What to say, half a sentence; it names the mistake and not the answer.</param>
/// <param name="Wrong">The answer with the mistake.</param>
internal sealed record Slip<TAnswer>(string Sentence, TAnswer Wrong)
    where TAnswer : Delegate;
