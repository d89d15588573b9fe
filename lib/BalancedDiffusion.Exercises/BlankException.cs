namespace BalancedDiffusion.Exercises;

/// <summary>What the blank of an exercise throws until a student writes an answer in its place; the check then says
/// that it is not answered yet.</summary>
public sealed class BlankException() : Exception("this function is still blank; write your answer in its place");
