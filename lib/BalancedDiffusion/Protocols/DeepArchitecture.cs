namespace BalancedDiffusion.Protocols;

/// <summary>The two deep networks that this repository trains.</summary>
public enum DeepArchitecture
{
    /// <summary>The U-Net of EDM, see <see cref="Networks.SongUNet"/>.</summary>
    UNet,

    /// <summary>The diffusion transformer, see <see cref="Networks.Dit"/>.</summary>
    Dit,
}
