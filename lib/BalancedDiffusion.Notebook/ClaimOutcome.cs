namespace BalancedDiffusion.Notebook;

/// <summary>What became of a claim.</summary>
public enum ClaimOutcome
{
    /// <summary>It holds.</summary>
    Holds,

    /// <summary>It does not.</summary>
    Fails,

    /// <summary>It was measured and is known not to hold on the data of the run.</summary>
    Exception,

    /// <summary>It was not measured.</summary>
    Skipped,
}
