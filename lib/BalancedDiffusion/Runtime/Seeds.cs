using TorchSharp;

namespace BalancedDiffusion.Runtime;

/// <summary>Turns one seed into many independent ones, and a seed into a generator of random numbers.</summary>
public static class Seeds
{
    /// <summary>
    /// Derives a seed for a purpose from a parent seed (SplitMix64 over the parent and the FNV-1a hash of the purpose),
    /// so that two purposes never share a stream and adding one does not move the others. The same on every machine;
    /// always ≥ 0.
    /// </summary>
    public static long Derive(long seed, string purpose)
    {
        ArgumentNullException.ThrowIfNull(purpose);
        var hash = 14695981039346656037UL;
        foreach (var c in purpose)
            hash = unchecked(hash ^ c) * 1099511628211UL;
        return (long)(Scramble((ulong)seed ^ Scramble(hash)) >> 1);
    }

    /// <summary>Derives the seed of the item with this index, such as one sample of a batch.</summary>
    public static long Derive(long seed, long index) =>
        (long)(Scramble((ulong)seed ^ Scramble((ulong)index + 0x9E3779B97F4A7C15UL)) >> 1);

    /// <summary>A new generator with this seed on the device (CPU where none is named). The caller disposes
    /// it.</summary>
    public static torch.Generator Generator(long seed, torch.Device? device = null)
    {
        TorchRuntime.EnsureLoaded();
        return new torch.Generator((ulong)seed, device ?? torch.CPU);
    }

    private static ulong Scramble(ulong z)
    {
        z += 0x9E3779B97F4A7C15UL;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}
