using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Tests.Runtime;

public class ProcessorLimitsTests
{
    // Signatures as their makers publish them: Zen 2, Zen 3, Zen 4, Zen 5 (twice), Skylake-SP, Sapphire Rapids.
    [Theory]
    [InlineData("AuthenticAMD", 0x00830F10, 23, false)]
    [InlineData("AuthenticAMD", 0x00A00F11, 25, false)]
    [InlineData("AuthenticAMD", 0x00A10F11, 25, false)]
    [InlineData("AuthenticAMD", 0x00B00F21, 26, true)]
    [InlineData("AuthenticAMD", 0x00B40F40, 26, true)]
    [InlineData("GenuineIntel", 0x00050654, 6, false)]
    [InlineData("GenuineIntel", 0x000806F8, 6, false)]
    public void OnlyZen5IsAffected(string vendor, int signature, int family, bool limited)
    {
        Assert.Equal(family, ProcessorLimits.Family(signature));
        Assert.Equal(limited, ProcessorLimits.IsAffected(vendor, family));
    }

    [Fact]
    public void AFamilyOfAnotherVendorIsLeftAlone() => Assert.False(ProcessorLimits.IsAffected("GenuineIntel", 26));
}
