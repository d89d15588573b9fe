using System.Globalization;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Training;

/// <summary>An update rule and its constants; the defaults are PyTorch's. Made by <see cref="Adam"/>,
/// <see cref="AdamW"/>, <see cref="RmsProp"/> and <see cref="Sgd"/>.</summary>
public sealed record OptimizerOptions
{
    private OptimizerOptions() { }

    /// <summary>The update rule.</summary>
    public OptimizerKind Kind { get; private init; }

    /// <summary>The decay of the mean of gradients (Adam, AdamW), in [0, 1).</summary>
    public double Beta1 { get; private init; }

    /// <summary>The decay of the mean of squared gradients (Adam, AdamW), in [0, 1).</summary>
    public double Beta2 { get; private init; }

    /// <summary>The decay of the mean of squared gradients (RMSprop), in [0, 1).</summary>
    public double Alpha { get; private init; }

    /// <summary>What is added to the root of the mean square, &gt; 0.</summary>
    public double Epsilon { get; private init; }

    /// <summary>The momentum (SGD, RMSprop), in [0, 1).</summary>
    public double Momentum { get; private init; }

    /// <summary>Whether SGD's momentum looks ahead (Nesterov).</summary>
    public bool Nesterov { get; private init; }

    /// <summary>Whether weight decay is added to the gradient, so that it is the gradient of a penalty. False for AdamW
    /// only.</summary>
    public bool IsDecayCoupled => Kind != OptimizerKind.AdamW;

    /// <summary>Adam.</summary>
    /// <param name="beta1">Decay of the mean of gradients, in [0, 1).</param>
    /// <param name="beta2">Decay of the mean of squared gradients, in [0, 1).</param>
    /// <param name="epsilon">Added to the root of the mean square, &gt; 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A constant is outside its range.</exception>
    public static OptimizerOptions Adam(double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8)
    {
        BelowOne(beta1, nameof(beta1));
        BelowOne(beta2, nameof(beta2));
        Guard.Positive(epsilon);
        return new()
        {
            Kind = OptimizerKind.Adam,
            Beta1 = beta1,
            Beta2 = beta2,
            Epsilon = epsilon,
        };
    }

    /// <summary>AdamW. Its decay is no penalty on the loss, so it has no lambda in the paper's sense.</summary>
    /// <inheritdoc cref="Adam"/>
    public static OptimizerOptions AdamW(double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8) =>
        Adam(beta1, beta2, epsilon) with
        {
            Kind = OptimizerKind.AdamW,
        };

    /// <summary>RMSprop, uncentred.</summary>
    /// <param name="alpha">Decay of the mean of squared gradients, in [0, 1).</param>
    /// <param name="epsilon">Added to the root of the mean square, &gt; 0.</param>
    /// <param name="momentum">Momentum, in [0, 1).</param>
    /// <exception cref="ArgumentOutOfRangeException">A constant is outside its range.</exception>
    public static OptimizerOptions RmsProp(double alpha = 0.99, double epsilon = 1e-8, double momentum = 0)
    {
        BelowOne(alpha, nameof(alpha));
        Guard.Positive(epsilon);
        BelowOne(momentum, nameof(momentum));
        return new()
        {
            Kind = OptimizerKind.RmsProp,
            Alpha = alpha,
            Epsilon = epsilon,
            Momentum = momentum,
        };
    }

    /// <summary>Stochastic gradient descent.</summary>
    /// <param name="momentum">Momentum, in [0, 1).</param>
    /// <param name="nesterov">Whether the momentum looks ahead; needs momentum above zero.</param>
    /// <exception cref="ArgumentOutOfRangeException">The momentum is outside its range.</exception>
    /// <exception cref="ArgumentException">Nesterov was asked for without momentum.</exception>
    public static OptimizerOptions Sgd(double momentum = 0, bool nesterov = false)
    {
        BelowOne(momentum, nameof(momentum));
        if (nesterov && momentum == 0)
            throw new ArgumentException("nesterov needs a momentum above zero, was 0", nameof(nesterov));
        return new()
        {
            Kind = OptimizerKind.Sgd,
            Momentum = momentum,
            Nesterov = nesterov,
        };
    }

    /// <summary>The rule and its constants on one line, the same on every machine.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Kind}")
        + Kind switch
        {
            OptimizerKind.Sgd => Format($"(momentum {Momentum:R}{(Nesterov ? ", nesterov" : "")})"),
            OptimizerKind.RmsProp => Format($"(alpha {Alpha:R}, epsilon {Epsilon:R}, momentum {Momentum:R})"),
            _ => Format($"(betas {Beta1:R} {Beta2:R}, epsilon {Epsilon:R})"),
        };

    private static string Format(FormattableString text) => FormattableString.Invariant(text);

    private static void BelowOne(double value, string name)
    {
        if (!(value >= 0 && value < 1))
            throw new ArgumentOutOfRangeException(name, $"{name} must be at least 0 and below 1, was {value}");
    }
}
