using TorchSharp;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests.Generation.SampleQuality;

/// <summary>Sets of vectors whose moments or places are known.</summary>
internal static class QualityLab
{
    public static Tensor Normal(long seed, long n, long d)
    {
        using var generator = new Generator((ulong)seed, CPU);
        return torch.randn([n, d], dtype: float64, generator: generator);
    }

    /// <summary>Vectors whose sample mean is 0 and whose sample covariance (over n - 1) is the identity, exactly up to
    /// rounding.</summary>
    public static Tensor Whitened(long seed, long n, long d)
    {
        var x = Normal(seed, n, d);
        x = x - x.mean([0L]);
        var covariance = x.t().matmul(x) / (n - 1);
        // With C = L Lᵀ, x L⁻ᵀ has covariance 1.
        var factor = torch.linalg.cholesky(covariance);
        return x.matmul(torch.linalg.inv(factor).t());
    }

    public static void Refused(string words, Action attempt)
    {
        var message = Assert.ThrowsAny<ArgumentException>(attempt).Message;
        Assert.Contains(words, message);
    }
}
