using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Memorization;

/// <summary>Products of a denoiser's Jacobian with directions, by central differences, so that every denoiser will do,
/// whether or not it records gradients.</summary>
internal static class DenoiserJacobian
{
    /// <summary>J times a direction a sample.</summary>
    /// <param name="denoiser">The model.</param>
    /// <param name="samples">Where: (batch, SampleShape…).</param>
    /// <param name="direction">(batch, d), float64.</param>
    /// <param name="sigma">The noise level that the model is given.</param>
    /// <param name="step">The step of the differences over sigma.</param>
    /// <returns>(batch, d), float64.</returns>
    public static torch.Tensor Product(
        IDenoiser denoiser,
        torch.Tensor samples,
        torch.Tensor direction,
        double sigma,
        double step
    )
    {
        var h = step * sigma;
        var shift = direction.mul(h).to_type(samples.dtype).reshape(samples.shape);
        return (
            DetectorInput.Estimate(denoiser, samples + shift, sigma)
            - DetectorInput.Estimate(denoiser, samples - shift, sigma)
        ).div_(2 * h);
    }

    /// <summary>J times each of k directions: (batch, d, k) to (batch, d, k).</summary>
    public static torch.Tensor Products(
        IDenoiser denoiser,
        torch.Tensor samples,
        torch.Tensor directions,
        double sigma,
        double step
    )
    {
        var products = torch.empty_like(directions);
        for (var k = 0L; k < directions.shape[2]; k++)
        {
            SafePoint.Pass();
            using var one = torch.NewDisposeScope();
            products.select(2, k).copy_(Product(denoiser, samples, directions.select(2, k), sigma, step));
        }
        return products;
    }

    /// <summary>Singular values of J on the range that it has of k random directions; all of them where k reaches d, or
    /// where J is symmetric and its rank at most k.</summary>
    /// <returns>(batch, k), float64, falling.</returns>
    public static torch.Tensor SingularValues(
        IDenoiser denoiser,
        torch.Tensor samples,
        double sigma,
        int probes,
        double step,
        long seed,
        long firstIndex
    )
    {
        var dimension = samples.NumberOfElements / samples.shape[0];
        torch.Tensor directions;
        if (probes == dimension)
            directions = torch.stack([.. Enumerable.Range(0, probes).Select(i => Unit(samples, i))], 2);
        else
        {
            var random = torch.stack(
                [
                    .. Enumerable
                        .Range(0, probes)
                        .Select(i => DetectorInput.Rows(DetectorInput.Noise(samples, seed, firstIndex, i))),
                ],
                2
            );
            directions = Orthonormal(Products(denoiser, samples, Orthonormal(random), sigma, step));
        }
        return torch.linalg.svdvals(Products(denoiser, samples, directions, sigma, step));
    }

    /// <summary>The i-th unit vector, for every sample: (batch, d).</summary>
    public static torch.Tensor Unit(torch.Tensor samples, int i)
    {
        var unit = torch.zeros(
            [samples.shape[0], samples.NumberOfElements / samples.shape[0]],
            dtype: torch.float64,
            device: samples.device
        );
        unit.narrow(1, i, 1).fill_(1);
        return unit;
    }

    private static torch.Tensor Orthonormal(torch.Tensor columns) => torch.linalg.qr(columns).Q;
}
