using BalancedDiffusion.Noise;
using BalancedDiffusion.Representations;
using TorchSharp;

namespace BalancedDiffusion.Tests.Representations;

public class UnitSelectionTests
{
    [Fact]
    public void UnitsThatStandOutComeFirst()
    {
        using var scope = torch.NewDisposeScope();
        // Unit 3 is large for everybody, unit 1 for this image only, unit 4 never varies.
        var reference = GaussianNoise.Draw([200, 5], 1) * 0.1f + torch.tensor([0f, 0, 0, 9, 2]);
        reference.select(1, 4).fill_(2);
        var image = torch.tensor([0.1f, 3, 0.4f, 9, 7]);
        Assert.Equal([1, 2], UnitSelection.Spikes(image, reference, 2));
        Assert.Equal(4, UnitSelection.Spikes(image, reference, 5)[^1]);
        Assert.Throws<ArgumentOutOfRangeException>(() => UnitSelection.Spikes(image, reference, 6));
        Assert.Throws<ArgumentException>(() => UnitSelection.Spikes(image, reference.narrow(0, 0, 1), 1));
    }

    [Fact]
    public void TheControlHasTheEnergyOfTheChosenAndNoneOfThem()
    {
        using var scope = torch.NewDisposeScope();
        var image = GaussianNoise.Draw([400], 3);
        var energy = image.square().data<float>().ToArray();
        int[] chosen = [.. Enumerable.Range(0, 20)];
        var control = UnitSelection.OfEqualEnergy(image, chosen, 5);
        var (wanted, has) = (chosen.Sum(i => energy[i]), control.Sum(i => energy[i]));
        Assert.Empty(control.Intersect(chosen));
        Assert.InRange(has, wanted, wanted + energy.Max());
        Assert.Equal(control, UnitSelection.OfEqualEnergy(image, chosen, 5));
        Assert.NotEqual(control, UnitSelection.OfEqualEnergy(image, chosen, 6));
        Assert.Empty(UnitSelection.OfEqualEnergy(image, [], 5));
        // All others where even these have less.
        var spike = torch.tensor([9f, 1, 1]);
        Assert.Equal([1, 2], UnitSelection.OfEqualEnergy(spike, [0], 1).Order());
        Assert.Throws<ArgumentOutOfRangeException>(() => UnitSelection.OfEqualEnergy(spike, [3], 1));
    }
}
