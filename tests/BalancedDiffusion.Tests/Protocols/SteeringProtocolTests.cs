using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Steering;
using BalancedDiffusion.Tests.Networks;
using TorchSharp;
using static BalancedDiffusion.Tests.Steering.SteeringLab;

namespace BalancedDiffusion.Tests.Protocols;

public class SteeringProtocolTests
{
    private static DitDenoiser Golden()
    {
        var dit = DitDenoiser.NoisePrediction(DitGolden.Network());
        dit.eval();
        return dit;
    }

    [Fact]
    public void TheAuthorsNumbersAreThere()
    {
        var sd = SteeringProtocol.StableDiffusion;
        Assert.Equal(
            (18, 37, 40, 3.5, false),
            (sd.FirstStep, sd.LastStep, sd.Levels.Count - 1, sd.Guidance, sd.Difference)
        );
        Assert.Equal([0, 0.2, 0.3, 0.4, 0.5], sd.Strengths);
        Assert.Equal(
            (Pooling.SpatialMean, 10.0),
            (sd.References.Pooling, Math.Round(new ScaledLinearSchedule().Time(sd.References.Sigmas.Single()), 9))
        );
        using var network = new ConditionalUNet(
            new ConditionalUNetOptions
            {
                SampleSize = 8,
                BlockChannels = [8, 8, 8, 8],
                Attends = [true, true, true, false],
                TextWidth = 6,
                Heads = 2,
                Groups = 4,
            },
            1
        );
        Assert.Equal(5, sd.Layers.Intersect(ActivationRecorder.ModulesOf(network)).Count());
        // Steps 18 to 37 of 40: the last 20 but two. In timesteps 25 apart, 976 first.
        double Sigma(int step) => new ScaledLinearSchedule().Sigma(976 - 25 * step);
        Assert.True(
            sd.Window.Contains(Sigma(18))
                && sd.Window.Contains(Sigma(37))
                && !sd.Window.Contains(Sigma(17))
                && !sd.Window.Contains(Sigma(38))
        );
    }

    [Theory]
    [InlineData("L", 24, "blocks.12", "blocks.16")]
    [InlineData("XL", 28, "blocks.14", "blocks.18")]
    public void ADitIsSteeredInFiveBlocksOfItsLaterHalf(string size, int depth, string first, string last)
    {
        var protocol = SteeringProtocol.Dit(DitOptions.Published(size, 2));
        Assert.Equal(
            (depth, 5, first, last),
            (DitOptions.Published(size, 2).Depth, protocol.Layers.Count, protocol.Layers[0], protocol.Layers[^1])
        );
        Assert.Contains("ours", protocol.Source);
        Assert.Equal(["blocks.1", "blocks.2"], SteeringProtocol.Dit(DitGolden.Network().Options).Layers);
    }

    [Fact]
    public void TheMeanOfTheFirstSetIsTheDirectionUnlessTheDifferenceIsWanted()
    {
        using var scope = torch.NewDisposeScope();
        using var dit = Golden();
        var protocol = SteeringProtocol.Dit(dit.Network.Options);
        var (shown, notShown) = (GaussianNoise.Draw([6, 4, 8, 8], 1), GaussianNoise.Draw([6, 4, 8, 8], 2));
        var mean = protocol.Direction(dit, dit.Network, shown, notShown);
        var difference = (protocol with { Difference = true }).Direction(dit, dit.Network, shown, notShown);
        var other = protocol.Direction(dit, dit.Network, notShown);
        foreach (var layer in protocol.Layers)
        {
            Assert.Equal(mean[layer], protocol.Direction(dit, dit.Network, shown)[layer]);
            Assert.Equal(48, mean[layer].Count);
            for (var i = 0; i < 48; i++)
                Assert.Equal(mean[layer][i] - other[layer][i], difference[layer][i], 1e-12);
        }
        Assert.StartsWith(
            "the difference of two means needs images without the concept too",
            Assert
                .Throws<ArgumentException>(() =>
                    (protocol with { Difference = true }).Direction(dit, dit.Network, shown)
                )
                .Message
        );
    }

    [Fact]
    public void OnlyTheConditionalHalfIsSteeredAndOnlyInTheWindow()
    {
        using var scope = torch.NewDisposeScope();
        using var dit = Golden();
        var protocol = SteeringProtocol.Dit(dit.Network.Options);
        var direction = protocol.Direction(dit, dit.Network, GaussianNoise.Draw([4, 4, 8, 8], 1));
        var (label, y) = (dit.WithLabel(3), GaussianNoise.Draw([2, 4, 8, 8], 5));
        IDenoiser At(double strength) => protocol.Denoiser(label, dit, dit.Network, direction, strength);
        var inside = protocol.Levels[25];
        var steered = new SteeredDenoiser(
            label,
            direction,
            new SteeringOptions { Strength = 0.4, Network = dit.Network }
        ).DenoiseAt(y, inside);
        var (with, without) = (label.DenoiseAt(y, inside), dit.DenoiseAt(y, inside));
        Assert.True(
            (At(0.4).DenoiseAt(y, inside) - (without + 3.5 * (steered - without))).abs().max().item<float>() < 1e-5
        );
        Assert.True((At(0).DenoiseAt(y, inside) - (without + 3.5 * (with - without))).abs().max().item<float>() < 1e-5);
        Assert.False(torch.allclose(steered, with, 1e-3, 1e-3));
        foreach (var step in new[] { 17, 38 })
            Assert.True(Same(At(0.4).DenoiseAt(y, protocol.Levels[step]), At(0).DenoiseAt(y, protocol.Levels[step])));
    }
}
