using BalancedDiffusion.Networks;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Tests.Networks;

/// <summary>
/// The convolutions that the networks rest on, and their gradients, in float32 against float64, which libtorch computes
/// by other code: on some processors the fast code is wrong.
/// </summary>
public class ConvolutionTests
{
    public static TheoryData<int, int, int, int> Shapes()
    {
        var shapes = new TheoryData<int, int, int, int>();
        foreach (var from in new[] { 1, 3, 8, 12, 16, 20, 24, 32, 36, 48, 64, 80, 96, 128, 144 })
        foreach (var to in new[] { 1, 4, 12, 16, 32, 48, 64 })
        foreach (var (kernel, stride) in new[] { (1, 1), (2, 2), (3, 1), (3, 2) })
            shapes.Add(from, to, kernel, stride);
        return shapes;
    }

    [Theory]
    [MemberData(nameof(Shapes), DisableDiscoveryEnumeration = true)]
    public void ImagesAndGradientsAreThoseOfFloat64(int from, int to, int kernel, int stride)
    {
        TorchRuntime.EnsureLoaded();
        var threads = torch.get_num_threads();
        try
        {
            // One image alone goes to other code on one thread than on several.
            foreach (var count in new[] { 1, 2 })
            {
                torch.set_num_threads(count);
                CompareWithFloat64(from, to, kernel, stride);
            }
        }
        finally
        {
            torch.set_num_threads(threads);
        }
    }

    private static void CompareWithFloat64(int from, int to, int kernel, int stride)
    {
        var padding = kernel == 3 ? 1 : 0;
        foreach (var batch in new[] { 1, 3 })
        foreach (var side in new[] { 4, 8 })
        {
            using var scope = torch.NewDisposeScope();
            using var generator = new torch.Generator(7);
            var x = torch.randn([batch, from, side, side], generator: generator).requires_grad_(true);
            var w = torch.randn([to, from, kernel, kernel], generator: generator).requires_grad_(true);
            var exactX = x.detach().to_type(torch.ScalarType.Float64).requires_grad_(true);
            var exactW = w.detach().to_type(torch.ScalarType.Float64).requires_grad_(true);

            var y = Convolution.Apply(x, w, null, stride, padding);
            var exactY = torch.nn.functional.conv2d(
                exactX,
                exactW,
                strides: [stride, stride],
                padding: [padding, padding]
            );
            using (torch.no_grad())
            {
                var alone = Convolution.Apply(x, w, null, stride, padding);
                Check(alone, exactY, from * kernel * kernel, "the output without a gradient");
            }
            var slope = torch.randn(y.shape, generator: generator);
            y.backward([slope]);
            exactY.backward([slope.to_type(torch.ScalarType.Float64)]);

            // A float32 sum of n products of standard normal numbers, taken in any order, is off by less than 1e-6 n.
            Check(y, exactY, from * kernel * kernel, "the output");
            Check(x.grad!, exactX.grad!, to * kernel * kernel, "the input's gradient");
            Check(w.grad!, exactW.grad!, batch * side * side, "the weights' gradient");
        }
    }

    // The published filters: of two equal weights, and of four.
    [Theory]
    [InlineData(0, 1.0, 1.0)]
    [InlineData(0, 1.0, 2.0)]
    [InlineData(1, 1.0, 3.0, 3.0, 1.0)]
    public void HalvingAndDoublingAndTheirGradientsAreThoseOfFloat64(int padding, params double[] weights)
    {
        TorchRuntime.EnsureLoaded();
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(7);
        var row = torch.tensor(weights) / weights.Sum();
        var exactFilter = torch.outer(row, row).view(1, 1, weights.Length, weights.Length);
        var filter = exactFilter.to_type(torch.ScalarType.Float32);
        const int channels = 3;
        var perChannel = exactFilter.expand(channels, 1, -1, -1).contiguous();
        foreach (var doubles in new[] { false, true })
        {
            var x = torch.randn([2, channels, 8, 6], generator: generator).requires_grad_(true);
            var exactX = x.detach().to_type(torch.ScalarType.Float64).requires_grad_(true);
            var y = doubles
                ? Convolution.TransposedPerChannel(x, filter, 2, padding)
                : Convolution.PerChannel(x, filter, null, 2, padding);
            var exactY = doubles
                ? torch.nn.functional.conv_transpose2d(
                    exactX,
                    perChannel,
                    strides: [2, 2],
                    padding: [padding, padding],
                    groups: channels
                )
                : torch.nn.functional.conv2d(
                    exactX,
                    perChannel,
                    strides: [2, 2],
                    padding: [padding, padding],
                    groups: channels
                );
            Assert.Equal(exactY.shape, y.shape);
            var slope = torch.randn(y.shape, generator: generator);
            y.backward([slope]);
            exactY.backward([slope.to_type(torch.ScalarType.Float64)]);
            Check(y, exactY, weights.Length * weights.Length, "the output");
            Check(x.grad!, exactX.grad!, weights.Length * weights.Length, "the input's gradient");
        }
    }

    private static void Check(torch.Tensor measured, torch.Tensor exact, int products, string what)
    {
        var error = (measured.to_type(torch.ScalarType.Float64) - exact).abs().max().item<double>();
        Assert.True(
            error < 1e-5 + 1e-6 * products,
            $"{what} is off by {error:G3} where {products} products are summed"
        );
    }
}
