namespace BalancedDiffusion.Statistics;

/// <summary>Numbers in ascending order.</summary>
internal static class SortedSample
{
    /// <summary>A quantile by linear interpolation between order statistics (type 7 of Hyndman and Fan 1996).</summary>
    /// <param name="sorted">At least one number, ascending.</param>
    /// <param name="share">The share below the quantile, in [0, 1].</param>
    public static double Quantile(double[] sorted, double share)
    {
        var place = share * (sorted.Length - 1);
        var (low, high) = (sorted[(int)Math.Floor(place)], sorted[(int)Math.Ceiling(place)]);
        return low == high ? low : low + (high - low) * (place - Math.Floor(place));
    }
}
