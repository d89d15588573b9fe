using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>What a file says of one tensor before any of its numbers is read.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Type">The type of its numbers in the file.</param>
/// <param name="Shape">Its shape; empty for a single number.</param>
/// <param name="File">The file that holds it, as an absolute path.</param>
public sealed record TensorHeader(string Name, torch.ScalarType Type, IReadOnlyList<long> Shape, string File)
{
    /// <summary>How many numbers it holds.</summary>
    public long Elements => Shape.Aggregate(1L, (product, n) => checked(product * n));

    /// <summary>How many bytes its numbers take in the file's type.</summary>
    public long Bytes => Elements * TensorBytes.Size(Type);
}
