using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Noise;

/// <summary>Standard normal noise from a seed: <c>y = x + sigma · GaussianNoise.Draw(x.shape, seed)</c>.</summary>
public static class GaussianNoise
{
    /// <summary>Draws independent standard normal numbers, the same for the same seed, shape and type; drawn on the CPU, so that they are the same for every device.</summary>
    /// <param name="shape">The shape; no length may be negative.</param>
    /// <param name="seed">The seed; <c>Draw([1, d], 123)</c> is what <c>manual_seed(123)</c> and one <c>randn(1, d)</c> give in torch.</param>
    /// <param name="dtype">float32 (default) or float64.</param>
    /// <param name="device">Where the result lies; the CPU where none is named.</param>
    /// <returns>A tensor that the caller owns.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A length is negative.</exception>
    public static torch.Tensor Draw(ReadOnlySpan<long> shape, long seed, torch.ScalarType dtype = torch.ScalarType.Float32, torch.Device? device = null)
    {
        foreach (var length in shape) Guard.AtLeast(length, 0, "a length of the shape");
        // The generator must outlive the native call: TorchSharp alone would let it be collected while it is drawn from.
        using var generator = Seeds.Generator(seed);
        var noise = torch.randn(shape, dtype: dtype, generator: generator);
        if (device is null || device.type == DeviceType.CPU) return noise;
        using (noise) return noise.to(device);
    }
}
