namespace BalancedDiffusion.Training;

/// <summary>What a training set makes of a network.</summary>
public enum TrainingRegime
{
    /// <summary>Few images: the network stores them.</summary>
    Memorizing,

    /// <summary>Many images, each once: the network learns their distribution.</summary>
    Generalizing,

    /// <summary>Few images that are repeated many times, among many: the network does both.</summary>
    Hybrid,
}
