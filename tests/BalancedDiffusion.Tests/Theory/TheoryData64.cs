using System.IO.Compression;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Tests.Theory;

/// <summary>Small data sets for the theory's tests.</summary>
internal static class TheoryData64
{
    public static torch.Tensor Normal(long seed, params long[] shape)
    {
        using var generator = Seeds.Generator(seed);
        return torch.randn(shape, dtype: torch.ScalarType.Float64, generator: generator);
    }

    /// <summary>Corners of a regular simplex in d ≥ count - 1 dimensions: pairwise cosines -1/(count-1), norms as
    /// given.</summary>
    public static torch.Tensor Simplex(int dimension, params double[] norms)
    {
        var count = norms.Length;
        using var scope = torch.NewDisposeScope();
        var centred = torch.eye(count, dtype: torch.ScalarType.Float64) - 1.0 / count;
        var (values, vectors) = torch.linalg.eigh(centred);
        // The simplex in its own count - 1 coordinates, then turned at random into d dimensions.
        var corners = vectors.narrow(1, 1, count - 1);
        var (frame, _) = torch.linalg.qr(Normal(99, dimension, count - 1));
        var rows = torch.matmul(corners, frame.t());
        return (
            rows / rows.norm(1, keepdim: true) * torch.tensor(norms, dtype: torch.ScalarType.Float64).unsqueeze(1)
        ).MoveToOuterDisposeScope();
    }

    /// <summary>A cluster of n samples around a mean with the given standard deviation in every direction.</summary>
    public static torch.Tensor Cluster(torch.Tensor mean, int count, double deviation, long seed) =>
        mean + deviation * Normal(seed, count, mean.shape[0]);

    public static double[] Array(torch.Tensor tensor) =>
        tensor.to(torch.ScalarType.Float64).contiguous().data<double>().ToArray();

    /// <summary>The first 10,000 CelebA images, grey, (10000, 1024), float32, in [-1, 1]; skips the test where they are
    /// not at hand.</summary>
    public static torch.Tensor CelebAGrey()
    {
        var file = DataFolders.Find("celeba/celeba-10k-32x32-rgb-idx4-ubyte.gz");
        if (!File.Exists(file))
            Assert.Skip("CelebA is not at hand");
        using var stream = new GZipStream(File.OpenRead(file), CompressionMode.Decompress);
        stream.ReadExactly(new byte[20]);
        var bytes = new byte[10_000 * 32 * 32 * 3];
        stream.ReadExactly(bytes);
        using var scope = torch.NewDisposeScope();
        var rgb = torch.tensor(bytes, dtype: torch.ScalarType.Byte).view(10_000, 1024, 3).to(torch.ScalarType.Float32);
        return (
            torch.matmul(rgb, torch.tensor(new[] { 0.299f, 0.587f, 0.114f })) / 127.5f - 1
        ).MoveToOuterDisposeScope();
    }
}
