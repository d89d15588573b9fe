namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>The sorts of failure of a notebook.</summary>
public enum FailureKind
{
    /// <summary>A cell threw or did not compile.</summary>
    Error,

    /// <summary>The notebook took too long and was killed.</summary>
    Timeout,

    /// <summary>The kernel process died.</summary>
    Crash,

    /// <summary>The kernel did not start.</summary>
    Start,

    /// <summary>The user stopped the run.</summary>
    Cancelled,

    /// <summary>The file is no notebook.</summary>
    Unreadable,
}
