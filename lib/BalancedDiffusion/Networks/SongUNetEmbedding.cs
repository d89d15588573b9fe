namespace BalancedDiffusion.Networks;

/// <summary>How a <see cref="SongUNet"/> turns the logarithm of the noise level into numbers.</summary>
public enum SongUNetEmbedding
{
    /// <summary>Cosines and sines at frequencies that fall geometrically from 1 to 1/10000, as in DDPM++.</summary>
    Positional,

    /// <summary>Cosines and sines at frequencies drawn once from N(0, 16²) and kept in the buffer
    /// <c>map_noise.freqs</c>, as in NCSN++.</summary>
    Fourier,
}
