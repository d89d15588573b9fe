using System.Globalization;

namespace BalancedDiffusion.Notebook;

/// <summary>Numbers and dates in a notebook read the same on every machine.</summary>
internal static class HostCulture
{
    /// <summary>From here on every thread that has no culture of its own, and this one, writes numbers with a point and
    /// dates in the invariant way, whatever the machine's language.</summary>
    public static void UseInvariant()
    {
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.InvariantCulture;
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
    }
}
