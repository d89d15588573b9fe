using System.Runtime.CompilerServices;
using TorchSharp;

namespace BalancedDiffusion.Runtime;

/// <summary>The checks that stand first in public methods; every message names the bad value.</summary>
public static class Guard
{
    /// <summary>sigma must be positive and finite.</summary>
    public static void Sigma(double sigma, [CallerArgumentExpression(nameof(sigma))] string? name = null) =>
        Positive(sigma, name);

    /// <summary>The value must be positive and finite.</summary>
    public static void Positive(double value, [CallerArgumentExpression(nameof(value))] string? name = null)
    {
        if (!(value > 0) || !double.IsFinite(value))
            throw new ArgumentOutOfRangeException(name, $"{name} must be positive and finite, was {value}");
    }

    /// <summary>The value must be zero or more, and finite.</summary>
    public static void NotNegative(double value, [CallerArgumentExpression(nameof(value))] string? name = null)
    {
        if (!(value >= 0) || !double.IsFinite(value))
            throw new ArgumentOutOfRangeException(name, $"{name} must be zero or more and finite, was {value}");
    }

    /// <summary>The whole number must be at least <paramref name="least"/>.</summary>
    public static void AtLeast(long value, long least, [CallerArgumentExpression(nameof(value))] string? name = null)
    {
        if (value < least)
            throw new ArgumentOutOfRangeException(name, $"{name} must be at least {least}, was {value}");
    }

    /// <summary>The tensor must hold finite numbers only.</summary>
    public static void Finite(torch.Tensor values, [CallerArgumentExpression(nameof(values))] string? name = null)
    {
        ArgumentNullException.ThrowIfNull(values, name);
        if (!AllFinite(values))
            throw new ArgumentException($"{name} holds NaN or infinity; check the data it came from", name);
    }

    /// <summary>Whether all numbers are finite: their sum is not where one is not, and takes no temporary; it may also
    /// overflow, so that a bad sum asks again.</summary>
    internal static bool AllFinite(torch.Tensor values)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        return double.IsFinite(values.sum().to_type(torch.float64).item<double>())
            || torch.isfinite(values).all().item<bool>();
    }

    /// <summary>The tensor must be of the type of the weights that it meets; libtorch does not mix types in a
    /// product.</summary>
    public static void TypeOf(
        torch.Tensor weights,
        torch.Tensor tensor,
        [CallerArgumentExpression(nameof(tensor))] string? name = null
    )
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        if (tensor.dtype != weights.dtype)
            throw new ArgumentException(
                $"{name} must be {weights.dtype} like the model's weights, was {tensor.dtype}; convert it "
                    + $"with {name}.to_type",
                name
            );
    }

    /// <summary>The tensor must have this shape; -1 stands for any length.</summary>
    public static void Shape(
        torch.Tensor tensor,
        long[] shape,
        [CallerArgumentExpression(nameof(tensor))] string? name = null
    )
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        if (tensor.dim() != shape.Length || shape.Zip(tensor.shape).Any(p => p.First >= 0 && p.First != p.Second))
            throw new ArgumentException(
                $"{name} must have shape "
                    + $"({string.Join(", ", shape.Select(n => n < 0 ? "any" : n.ToString()))}), was "
                    + $"({string.Join(", ", tensor.shape)})",
                name
            );
    }
}
