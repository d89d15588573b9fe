namespace BalancedDiffusion.Exercises;

/// <summary>One call of an answer beside the truth.</summary>
/// <param name="Inputs">What it was called with.</param>
/// <param name="Expected">What it should have given.</param>
/// <param name="Given">What it gave.</param>
internal sealed record Case(Draw Inputs, Response Expected, Response Given);
