namespace BalancedDiffusion.Denoisers;

/// <summary>The nonlinearity between the two layers of a <see cref="ReluDiffusion"/>'s gain network. It has no weights,
/// so a state dict does not tell it.</summary>
public enum GainActivation
{
    /// <summary><c>x · sigmoid(x)</c>, the usual choice of noise-level embeddings and the default.</summary>
    SiLU,

    /// <summary><c>max(x, 0)</c>.</summary>
    ReLU,
}
