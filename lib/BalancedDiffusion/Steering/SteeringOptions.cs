using TorchSharp;

namespace BalancedDiffusion.Steering;

/// <summary>How strongly, in which layers and at which noise levels a direction is added.</summary>
public sealed record SteeringOptions
{
    /// <summary>a in Equation 11, <c>g(h + a v)</c>: any finite number. 0 leaves the network as it is, to the bit;
    /// below 0 goes the other way.</summary>
    public double Strength
    {
        get;
        init =>
            field = double.IsFinite(value)
                ? value
                : throw new ArgumentOutOfRangeException(nameof(Strength), $"Strength must be finite, was {value}");
    } = 1;

    /// <summary>A factor for some of the direction's layers; those not named have 1.</summary>
    public IReadOnlyDictionary<string, double> LayerWeights
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(LayerWeights));
            field = value;
        }
    } = new Dictionary<string, double>();

    /// <summary>At which noise levels; by default at all.</summary>
    public SteeringWindow Window
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(Window));
            field = value;
        }
    } = SteeringWindow.Everywhere;

    /// <summary>The network whose modules are steered; null where the denoiser is that network itself.</summary>
    public torch.nn.Module? Network { get; init; }

    /// <summary>Allow a direction that was made on another network, as for a comparison of two trainings. Layers must
    /// still be there and be as wide.</summary>
    public bool AnyModel { get; init; }
}
