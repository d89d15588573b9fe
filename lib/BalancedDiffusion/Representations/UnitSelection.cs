using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Representations;

/// <summary>Chooses units of a layer: those on which an image spikes, and as a control others of as much
/// energy.</summary>
public static class UnitSelection
{
    /// <summary>The units whose activation stands out most for an image: the greatest <c>(h_j - mean_j)/std_j</c>, mean
    /// and standard deviation over reference images. A unit that is the same for all of these comes last.</summary>
    /// <param name="image">h, (units), floating point: the pooled representation of the image.</param>
    /// <param name="reference">(n, units), n ≥ 2: those of other images.</param>
    /// <param name="count">How many units, 1 to units.</param>
    /// <returns>Their places, the most outstanding first.</returns>
    /// <exception cref="ArgumentException">The shapes do not fit, or a number is not finite.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There are not so many units.</exception>
    public static IReadOnlyList<int> Spikes(torch.Tensor image, torch.Tensor reference, int count)
    {
        Guard.Shape(image, [-1]);
        Guard.Shape(reference, [-1, image.shape[0]]);
        Guard.Finite(image);
        Guard.Finite(reference);
        Check(image, count);
        if (reference.shape[0] < 2)
            throw new ArgumentException(
                $"reference must hold at least two images, was {reference.shape[0]}",
                nameof(reference)
            );
        using var scope = torch.NewDisposeScope();
        var (std, mean) = torch.std_mean(reference.to_type(torch.float64), [0L], unbiased: false);
        var score = torch.where(
            std.gt(0),
            (image.to_type(torch.float64) - mean) / std,
            torch.full_like(std, double.NegativeInfinity)
        );
        var order = score.argsort(descending: true).cpu().data<long>().ToArray();
        return [.. order.Take(count).Select(unit => (int)unit)];
    }

    /// <summary>Random units with as much energy in an image's representation as chosen ones: drawn one by one among
    /// the others until the sum of their squares reaches that of the chosen.</summary>
    /// <param name="image">h, (units), floating point.</param>
    /// <param name="chosen">The chosen units, which are not drawn.</param>
    /// <param name="seed">The seed of the draw.</param>
    /// <returns>Their places; all others where even these have less energy.</returns>
    /// <exception cref="ArgumentException">The representation has another shape or is not finite.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such unit.</exception>
    public static IReadOnlyList<int> OfEqualEnergy(torch.Tensor image, IReadOnlyList<int> chosen, long seed)
    {
        ArgumentNullException.ThrowIfNull(chosen);
        Guard.Shape(image, [-1]);
        Guard.Finite(image);
        foreach (var unit in chosen)
            if (unit < 0 || unit >= image.shape[0])
                throw new ArgumentOutOfRangeException(
                    nameof(chosen),
                    $"a unit must be 0 to {image.shape[0] - 1}, was {unit}"
                );
        using var scope = torch.NewDisposeScope();
        var energy = image.to_type(torch.float64).square().cpu().data<double>().ToArray();
        using var generator = Seeds.Generator(seed);
        var taken = chosen.ToHashSet();
        var wanted = taken.Sum(unit => energy[unit]);
        var drawn = new List<int>();
        foreach (var unit in torch.randperm(energy.Length, generator: generator).data<long>().ToArray())
        {
            if (wanted <= 0)
                break;
            if (!taken.Contains((int)unit))
            {
                drawn.Add((int)unit);
                wanted -= energy[unit];
            }
        }
        return drawn;
    }

    private static void Check(torch.Tensor image, int count)
    {
        if (count < 1 || count > image.shape[0])
            throw new ArgumentOutOfRangeException(
                nameof(count),
                $"count must be 1 to {image.shape[0]}, the number of units, was {count}"
            );
    }
}
