namespace BalancedDiffusion.Networks;

/// <summary>Whether the rising half of a <see cref="SongUNet"/> makes a picture at the end or at every
/// resolution.</summary>
public enum SongUNetDecoder
{
    /// <summary>At the end only, as in DDPM++ and NCSN++.</summary>
    Standard,

    /// <summary>At every resolution; each is enlarged and added to the next.</summary>
    Skip,
}
