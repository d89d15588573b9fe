namespace BalancedDiffusion.Networks;

/// <summary>Whether the falling half of a <see cref="SongUNet"/> sees the input again at lower resolutions.</summary>
public enum SongUNetEncoder
{
    /// <summary>It sees it once, as in DDPM++.</summary>
    Standard,

    /// <summary>At every lower resolution a strided convolution of the input's own path is added, and the sum goes on
    /// as that path, as in NCSN++.</summary>
    Residual,

    /// <summary>At every lower resolution the shrunken input is added through a 1×1 convolution.</summary>
    Skip,
}
