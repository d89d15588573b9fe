using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Denoisers;

/// <summary>The noise levels that a denoiser is asked at, one number for the whole batch or a tensor. They are read
/// once into numbers on the host, checked there, and from there become the one tensor that the arithmetic
/// needs.</summary>
internal readonly struct NoiseLevels
{
    private readonly torch.Tensor? tensor;
    private readonly double number;
    private readonly bool isNumber;

    private NoiseLevels(torch.Tensor? tensor, double number, bool isNumber) =>
        (this.tensor, this.number, this.isNumber) = (tensor, number, isNumber);

    /// <summary>One level for the whole batch.</summary>
    public static NoiseLevels Of(double sigma) => new(null, sigma, true);

    /// <summary>Levels of shape () or (batch).</summary>
    public static NoiseLevels Of(torch.Tensor sigma) => new(sigma, 0, false);

    /// <summary>The level as a batch of this type holds it: rounded as a scalar tensor of the type would round it, so
    /// that both ways of asking a denoiser have one answer.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The level is not positive and finite, as given or
    /// rounded.</exception>
    public static double Rounded(double sigma, torch.ScalarType type)
    {
        Guard.Sigma(sigma);
        if (type == torch.float64)
            return sigma;
        if (type == torch.float32)
            sigma = (float)sigma;
        else
        {
            using var rounded = torch.full([], sigma, dtype: type);
            using var wide = rounded.to_type(torch.float64);
            sigma = wide.item<double>();
        }
        Guard.Sigma(sigma);
        return sigma;
    }

    /// <summary>The levels as numbers: one for the whole batch, or one a sample.</summary>
    /// <param name="noisy">The batch, at least one-dimensional.</param>
    /// <exception cref="ArgumentException">There are neither one level nor as many as samples.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A level is not positive and finite.</exception>
    public double[] Values(torch.Tensor noisy)
    {
        if (isNumber)
            return [Rounded(number, noisy.dtype)];
        var sigma = tensor;
        ArgumentNullException.ThrowIfNull(sigma);
        var batch = noisy.shape[0];
        if (sigma.dim() > 1 || (sigma.dim() == 1 && sigma.shape[0] != batch))
            throw new ArgumentException(
                $"sigma must have shape () or ({batch}), was ({string.Join(", ", sigma.shape)})",
                nameof(sigma)
            );
        using var scope = torch.NewDisposeScope();
        var values = sigma.detach().to_type(torch.float64).cpu().flatten().data<double>().ToArray();
        foreach (var value in values)
            if (!(value > 0) || !double.IsFinite(value))
                throw new ArgumentOutOfRangeException(nameof(sigma), $"sigma must be positive and finite, was {value}");
        return values;
    }

    /// <summary>Numbers as a float64 column, (1, 1) for one number, else (numbers, 1).</summary>
    public static torch.Tensor Column(double[] values, torch.Device device) =>
        values.Length == 1
            ? torch.full([1, 1], values[0], dtype: torch.float64, device: device)
            : torch.tensor(values, [values.Length, 1], dtype: torch.float64, device: device);

    /// <summary>Numbers as a float64 column with a row a sample, (batch, 1).</summary>
    public static torch.Tensor Column(double[] values, long batch, torch.Device device) =>
        Column(values, device).expand(batch, 1);
}
