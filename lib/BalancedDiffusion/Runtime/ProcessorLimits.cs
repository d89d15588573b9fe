using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Text;

namespace BalancedDiffusion.Runtime;

/// <summary>What libtorch computes wrong on some processors.</summary>
internal static class ProcessorLimits
{
    private const int Zen5 = 26;

    /// <summary>
    /// Whether float32 convolutions by kernels larger than one pixel cannot be left to libtorch. On AMD's family 26
    /// (Zen 5, seen on a virtual machine) the oneDNN inside libtorch 2.10 gives wrong or NaN outputs and gradients for
    /// many numbers of channels, 24, 48 and 80 among them, with AVX-512 and with AVX2; products of matrices are right.
    /// </summary>
    public static bool ConvolutionsAreWrong { get; } =
        X86Base.IsSupported && Avx2.IsSupported && IsAffected(Vendor(), Family(X86Base.CpuId(1, 0).Eax));

    /// <summary>Whether a processor is of the kind described above.</summary>
    /// <param name="vendor">The twelve letters of leaf 0.</param>
    /// <param name="family">The family, the extended one added.</param>
    public static bool IsAffected(string vendor, int family) => vendor == "AuthenticAMD" && family == Zen5;

    /// <summary>The family in the signature that leaf 1 gives in EAX.</summary>
    public static int Family(int signature)
    {
        var family = (signature >> 8) & 0xF;
        return family == 0xF ? family + ((signature >> 20) & 0xFF) : family;
    }

    private static string Vendor()
    {
        var (_, b, c, d) = X86Base.CpuId(0, 0);
        ReadOnlySpan<int> words = [b, d, c];
        return Encoding.ASCII.GetString(MemoryMarshal.AsBytes(words));
    }
}
