namespace BalancedDiffusion.Notebook;

/// <summary>Figures.</summary>
public static class Figure
{
    internal static void Begin() { }
}
