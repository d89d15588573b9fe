namespace BalancedDiffusion.Notebook;

/// <summary>How much a notebook computes.</summary>
public enum LabProfile
{
    /// <summary>Small sizes: minutes on a laptop, the same statements.</summary>
    Quick,

    /// <summary>The sizes that the text reports.</summary>
    Full,
}
