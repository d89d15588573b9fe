namespace BalancedDiffusion.Representations;

/// <summary>How an activation becomes a representation (batch, units), one row a sample.</summary>
public enum Pooling
{
    /// <summary>The activation as it is, any shape.</summary>
    None,

    /// <summary>(batch, channels, height, width) → (batch, channels): the largest value over the places. The paper's
    /// for U-Nets.</summary>
    SpatialMax,

    /// <summary>(batch, channels, height, width) → (batch, channels): the mean over the places.</summary>
    SpatialMean,

    /// <summary>(batch, tokens, units) → (batch, units): the mean over the tokens of a transformer.</summary>
    TokenMean,

    /// <summary>(batch, …) → (batch, product of the rest): every number is a unit. A representation (batch, units)
    /// stays as it is.</summary>
    Flatten,
}
