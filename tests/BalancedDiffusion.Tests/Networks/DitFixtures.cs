using BalancedDiffusion.Networks;

namespace BalancedDiffusion.Tests.Networks;

internal static class DitFixtures
{
    /// <summary>The smallest DiT with all of its parts: four tokens, two blocks, three classes, a learned
    /// variance.</summary>
    public static DitOptions Little { get; } =
        new()
        {
            InputSize = 4,
            PatchSize = 2,
            Channels = 2,
            HiddenSize = 8,
            Depth = 2,
            Heads = 2,
            Classes = 3,
        };
}
