using TorchSharp;

namespace BalancedDiffusion.Benchmarks;

/// <summary>What libtorch reaches on this machine, in GFLOP/s of float32.</summary>
public static class Rates
{
    /// <summary>A product of two matrices of 1024 × 1024.</summary>
    public static double Product()
    {
        const long n = 1024;
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        torch.Tensor a = torch.randn(n, n),
            b = torch.randn(n, n),
            c = torch.zeros(n, n);
        const int repeats = 10;
        var seconds = Paired.Median(() =>
        {
            for (var i = 0; i < repeats; i++)
                c.addmm_(a, b, beta: 0);
        });
        return 2.0 * n * n * n * repeats / seconds / 1e9;
    }

    /// <summary>A convolution of 16 maps of 32 × 32 with 64 channels, three by three.</summary>
    public static double Convolution()
    {
        const long batch = 16,
            channels = 64,
            side = 32;
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        torch.Tensor maps = torch.randn(batch, channels, side, side),
            filter = torch.randn(channels, channels, 3, 3);
        const int repeats = 10;
        var seconds = Paired.Median(() =>
        {
            for (var i = 0; i < repeats; i++)
                torch.nn.functional.conv2d(maps, filter, padding: [1, 1]).Dispose();
        });
        return 2.0 * batch * side * side * channels * channels * 9 * repeats / seconds / 1e9;
    }
}
