namespace BalancedDiffusion.Exercises;

/// <summary>What a check says of an answer, in one sentence that does not give the answer away.</summary>
/// <param name="Outcome">The kind.</param>
/// <param name="Sentence">The sentence.</param>
internal sealed record Verdict(Outcome Outcome, string Sentence);
