using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Tests.Runtime;

public class SeedsTests
{
    [Fact]
    public void Seed123DrawsPyTorchsKnownNormals()
    {
        using var generator = Seeds.Generator(123);
        using var draw = torch.randn([4], generator: generator);
        Assert.Equal(
            [-0.1115f, 0.1204f, -0.3696f, -0.2404f],
            draw.data<float>().ToArray(),
            (a, b) => Math.Abs(a - b) < 1e-4
        );
    }

    [Fact]
    public void DerivedSeedsDifferByPurposeByIndexAndByParent()
    {
        var seeds = new HashSet<long>();
        foreach (var parent in new long[] { 0, 1, -1, 123 })
        {
            foreach (var purpose in new[] { "", "noise", "batch", "encoder" })
                Assert.True(seeds.Add(Seeds.Derive(parent, purpose)));
            for (var i = 0; i < 1000; i++)
                Assert.True(seeds.Add(Seeds.Derive(parent, i)));
        }
        Assert.All(seeds, seed => Assert.True(seed >= 0));
    }
}
