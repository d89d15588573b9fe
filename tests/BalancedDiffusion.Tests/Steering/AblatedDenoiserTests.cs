using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Steering;
using TorchSharp;
using static BalancedDiffusion.Tests.Networks.UNetFixtures;
using static BalancedDiffusion.Tests.Steering.SteeringLab;

namespace BalancedDiffusion.Tests.Steering;

public class AblatedDenoiserTests
{
    private static Dictionary<string, IReadOnlyList<int>> Off(string module, params int[] units) =>
        new() { [module] = units };

    [Fact]
    public void AReluDaeWithoutUnitsIsTheOneWithoutTheirRows()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var network = new ReluDae(6, 5, 1, tied: false);
        var noisy = Normal(2, 3, 6);
        var ablated = new AblatedDenoiser(network, Off("relu", 1, 3, 3));
        var kept = torch.tensor([0L, 2, 4]);
        using var smaller = new ReluDae(network.Encoder.index_select(0, kept), network.Decoder.index_select(0, kept));
        Assert.True(torch.allclose(smaller.DenoiseAt(noisy, 0.4), ablated.DenoiseAt(noisy, 0.4), 1e-5, 1e-6));
        // The network is free again after the call.
        using var again = new ReluDae(network.Encoder, network.Decoder);
        Assert.True(Same(again.DenoiseAt(noisy, 0.4), network.DenoiseAt(noisy, 0.4)));
        Assert.True(
            Same(network.DenoiseAt(noisy, 0.4), new AblatedDenoiser(network, Off("relu")).DenoiseAt(noisy, 0.4))
        );
    }

    [Fact]
    public void ChannelsAndHiddenUnitsAreZeroAtEveryPlace()
    {
        using var scope = torch.NewDisposeScope();
        foreach (
            var (denoiser, layer, noisy) in new (IDenoiser, string, torch.Tensor)[]
            {
                (UNet(), Silu, Normal(2, 3, 1, 8, 8)),
                (Dit(), Act, Normal(2, 3, 2, 4, 4)),
            }
        )
        {
            using var network = (torch.nn.Module)denoiser;
            var ablated = new AblatedDenoiser(denoiser, Off(layer, 0, 5));
            var plain = denoiser.DenoiseAt(noisy, 0.4);
            var changed = ablated.DenoiseAt(noisy, 0.4);
            Assert.False(Same(plain, changed));
            var levels = torch.full([noisy.shape[0]], 0.4);
            Assert.True(torch.allclose(changed, ablated.Denoise(noisy, levels).detach(), 1e-5, 1e-6));
            Assert.True(Same(plain, denoiser.DenoiseAt(noisy, 0.4)));
            var width = denoiser is EdmPreconditioner ? 8 : 32;
            Assert.Contains(
                $"has {width} units, so there is no unit {width}",
                Assert
                    .Throws<InvalidOperationException>(() =>
                        new AblatedDenoiser(denoiser, Off(layer, width)).DenoiseAt(noisy, 0.4)
                    )
                    .Message
            );
        }
    }

    [Fact]
    public void BadUnitsAndModulesAreRefused()
    {
        using var network = new ReluDae(6, 5, 1);
        Assert.Contains(
            "must be 0 or more, one was -1",
            Assert.Throws<ArgumentException>(() => new AblatedDenoiser(network, Off("relu", -1))).Message
        );
        Assert.Contains(
            "no module",
            Assert.Throws<ArgumentException>(() => new AblatedDenoiser(network, Off("gelu", 1))).Message
        );
        Assert.Throws<ArgumentException>(() =>
            new AblatedDenoiser(network, new Dictionary<string, IReadOnlyList<int>>())
        );
    }
}
