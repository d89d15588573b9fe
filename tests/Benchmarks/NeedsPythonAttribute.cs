namespace BalancedDiffusion.Benchmarks;

/// <summary>Marks a benchmark that runs <see cref="PythonLoop"/>; without PyTorch for Python its row is left
/// out.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NeedsPythonAttribute : Attribute;
