using TorchSharp;

namespace BalancedDiffusion.Benchmarks;

/// <summary>The products that a search through a set in blocks cannot do without, and nothing else: the ceiling that
/// searches are measured by.</summary>
public sealed class BlockProducts : IDisposable
{
    private readonly torch.Tensor queries,
        block,
        scores,
        means;
    private readonly int rows;

    /// <summary>Products of these shapes.</summary>
    /// <param name="count">How many queries.</param>
    /// <param name="rows">How many samples a block holds.</param>
    /// <param name="dimension">The length of a sample.</param>
    /// <param name="type">float32 or float64.</param>
    public BlockProducts(int count, int rows, int dimension, torch.ScalarType type)
    {
        this.rows = rows;
        // They outlive a scope that the caller may have open.
        torch.Tensor Own(long first, long second) => torch.rand([first, second], dtype: type).DetachFromDisposeScope();
        (queries, block) = (Own(count, dimension), Own(rows, dimension));
        (scores, means) = (Own(count, rows), Own(count, dimension));
    }

    /// <summary>Queries with so many samples, rounded up to whole blocks.</summary>
    public void Scores(int samples)
    {
        using var across = block.t();
        for (var offset = 0; offset < samples; offset += rows)
            scores.addmm_(queries, across, beta: 0);
    }

    /// <summary>Weights with so many samples, rounded up to whole blocks.</summary>
    public void Means(int samples)
    {
        for (var offset = 0; offset < samples; offset += rows)
            means.addmm_(scores, block, beta: 0);
    }

    /// <summary>Frees them.</summary>
    public void Dispose()
    {
        queries.Dispose();
        block.Dispose();
        scores.Dispose();
        means.Dispose();
    }
}
