using System.Security.Cryptography;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Datasets;

/// <summary>
/// The checksum of a file that no published one is known for, recorded beside it at its first download (in the format
/// of <c>sha256sum</c>), so that a later change or damage is noticed.
/// </summary>
internal static class RecordedChecksum
{
    public static string PathFor(string file) => file + ".sha256";

    /// <summary>The recorded checksum, or null where there is none.</summary>
    public static string? Of(string file)
    {
        if (!File.Exists(PathFor(file)))
            return null;
        var sum = (File.ReadLines(PathFor(file)).FirstOrDefault() ?? "").Split(' ')[0];
        return sum.Length == 64 && sum.All(char.IsAsciiHexDigitLower) ? sum : null;
    }

    public static void Write(string file, string sum)
    {
        using var fresh = new AtomicFile(PathFor(file));
        File.WriteAllText(fresh.Temporary, $"{sum}  {Path.GetFileName(file)}\n");
        fresh.Commit();
    }

    public static string Compute(string file)
    {
        using var stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
