using BalancedDiffusion.Noise;
using BalancedDiffusion.Notebook;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Exercises;

/// <summary>The random inputs of one case of an exercise: the same for the same seed. Those with a name are shown to
/// the student where the case goes wrong.</summary>
/// <param name="seed">The seed of the case.</param>
internal sealed class Draw(long seed)
{
    private readonly List<(string Name, double Value)> named = [];
    private readonly Random random = new(unchecked((int)Seeds.Derive(seed, "numbers")));
    private int seeds;

    /// <summary>What was drawn with a name, in order.</summary>
    public IReadOnlyList<(string Name, double Value)> Named => named;

    /// <summary>A whole number, each as likely as the other.</summary>
    /// <param name="name">Its name in the exercise's text.</param>
    /// <param name="least">The least.</param>
    /// <param name="most">The largest, not below the least.</param>
    public int Whole(string name, int least, int most)
    {
        var value = random.Next(least, most + 1);
        named.Add((name, value));
        return value;
    }

    /// <summary>A number whose logarithm is spread evenly.</summary>
    /// <param name="name">Its name in the exercise's text.</param>
    /// <param name="least">The least, above 0.</param>
    /// <param name="most">The largest.</param>
    public double Between(string name, double least, double most)
    {
        var value = least * Math.Pow(most / least, random.NextDouble());
        named.Add((name, value));
        return value;
    }

    /// <summary>Independent standard normal numbers, float64.</summary>
    public torch.Tensor Normal(params long[] shape) => GaussianNoise.Draw(shape, Seed(), torch.float64);

    /// <summary>A seed for what generates by itself; another one at every call.</summary>
    public long Seed() => Seeds.Derive(seed, seeds++);

    /// <summary>The named inputs, e.g. <c> where n = 7, sigma = 0.31</c>; empty where there is none.</summary>
    public string Where =>
        named.Count == 0
            ? ""
            : " where " + string.Join(", ", named.Select(n => $"{n.Name} = {Claims.Number(n.Value)}"));
}
