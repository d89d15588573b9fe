using System.Numerics;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Denoisers;

/// <summary>
/// The samples of a set that may be among the nearest to each query, by one product in float32 whose rounding is
/// bounded: none that is near is missed, and a caller who takes the distances of those found again, in float64, has the
/// exact result at the cost of float32.
/// <para>A score <c>yᵀx - ‖x‖²/2</c> of framed vectors of length d errs by at most <c>(d + 8) u R (‖y‖ +
/// R/2)</c> with u = 2^-24 and R the longest sample: the bound of a sum of d + 1 products in any order, and that of the
/// rounding of what goes in.</para>
/// </summary>
internal sealed class NearSamples : IDisposable
{
    // The first samples are few: a query to which most of them are near is not worth more.
    private const long Probe = 128;

    private readonly SampleBlocks blocks;
    private readonly int k,
        most;

    /// <param name="blocks">The set; it must fit into float32 and lie on the CPU.</param>
    /// <param name="batch">How many queries one search has, at most.</param>
    /// <param name="k">How many nearest samples are wanted.</param>
    /// <param name="most">How many may be found for a query, above k; where more are as near as that, its result is
    /// null.</param>
    public NearSamples(SampleBlocks blocks, long batch, int k, int most)
    {
        (this.blocks, this.k, this.most) = (blocks, k, most);
        Samples = torch.empty([blocks.BlockRows, blocks.Dimension], dtype: torch.float32);
        Scores = torch.empty([batch, blocks.BlockRows], dtype: torch.float32);
    }

    /// <summary>A buffer for one block, (BlockRows, d), float32; free between two calls.</summary>
    public torch.Tensor Samples { get; }

    /// <summary>A buffer for the scores of the queries, (batch, BlockRows), float32; free between two calls.</summary>
    public torch.Tensor Scores { get; }

    /// <summary>Finds, for each query, every sample whose score is less than a reach below the k-th best.</summary>
    /// <param name="queries">Framed queries, (b, d), float64.</param>
    /// <param name="reach">How far below, ≥ 0, one for each query.</param>
    /// <returns>Indices for each query, ascending; null where there are too many.</returns>
    public long[]?[] Find(torch.Tensor queries, ReadOnlySpan<double> reach)
    {
        using var scope = torch.NewDisposeScope();
        var norms = queries.norm(1, keepdim: true).flatten().data<double>().ToArray();
        var candidates = new Candidates[norms.Length];
        for (var q = 0; q < candidates.Length; q++)
            candidates[q] = new Candidates(
                k,
                most,
                norms[q] < SampleBlocks.LongestSingle ? reach[q] + 2 * Rounding(norms[q]) : double.PositiveInfinity
            );
        var searched = candidates.Where(s => s.Open).ToArray();
        var vectors = blocks.Single(queries);
        for (
            var (offset, size) = (0L, Probe);
            offset < blocks.Count;
            (offset, size) = (offset + size, blocks.BlockRows)
        )
        {
            using var step = torch.NewDisposeScope();
            var block = blocks.FillSingle(Samples, offset, size);
            size = block.shape[0];
            var part = Scores.narrow(0, 0, searched.Length).narrow(1, 0, size);
            part.copy_(blocks.SingleHalfNorms(offset, size).neg().unsqueeze(0)).addmm_(vectors, block.t());
            var values = Scores.Numbers<float>();
            for (var q = 0; q < searched.Length; q++)
                searched[q].Add(values.Slice(q * (int)blocks.BlockRows, (int)size), offset);
            var open = Enumerable.Range(0, searched.Length).Where(q => searched[q].Open).Select(q => (long)q).ToArray();
            if (open.Length == 0)
                break;
            // Products for queries that stay open are saved once they are many.
            if (open.Length > searched.Length / 2)
                continue;
            vectors = vectors.index_select(0, torch.tensor(open)).MoveToOuterDisposeScope();
            searched = [.. open.Select(q => searched[q])];
        }
        return [.. candidates.Select(s => s.Finish())];
    }

    private double Rounding(double length)
    {
        var error = (blocks.Dimension + 8) * Math.ScaleB(1, -24);
        // The last term stands for numbers below float32's normal ones.
        return error / (1 - error) * blocks.Radius * (length + 0.5 * blocks.Radius)
            + blocks.Dimension * Math.ScaleB(1, -125);
    }

    public void Dispose()
    {
        Samples.Dispose();
        Scores.Dispose();
    }

    /// <summary>The samples found for one query so far.</summary>
    private sealed class Candidates(int k, int most, double slack)
    {
        private readonly float[] values = new float[most + k];
        private readonly long[] indices = new long[most + k];
        private float least = float.NegativeInfinity;
        private int count;

        /// <summary>Whether the query can have a result; not where too many samples are near.</summary>
        public bool Open { get; private set; } = double.IsFinite(slack);

        /// <summary>Adds those samples whose scores are high enough.</summary>
        /// <param name="row">The scores of a block of samples.</param>
        /// <param name="first">The index of the block's first sample.</param>
        public void Add(ReadOnlySpan<float> row, long first)
        {
            if (!Open)
                return;
            for (var j = 0; j < row.Length; )
            {
                while (
                    j + Vector<float>.Count <= row.Length
                    && !Vector.GreaterThanOrEqualAny(new Vector<float>(row[j..]), new Vector<float>(least))
                )
                    j += Vector<float>.Count;
                for (var end = Math.Min(j + Vector<float>.Count, row.Length); j < end; j++)
                {
                    if (!(row[j] >= least))
                        continue;
                    (values[count], indices[count]) = (row[j], first + j);
                    if (++count == values.Length && !Prune())
                        return;
                }
            }
        }

        /// <summary>Drops those that are too far; whether the rest is few enough.</summary>
        private bool Prune()
        {
            Array.Sort(values, indices, 0, count);
            // Rounded down, so that float32 loses none.
            if (count >= k)
                least = MathF.BitDecrement((float)(values[count - k] - slack));
            var dropped = 0;
            while (dropped < count && values[dropped] < least)
                dropped++;
            count -= dropped;
            Array.Copy(values, dropped, values, 0, count);
            Array.Copy(indices, dropped, indices, 0, count);
            return Open = count <= most;
        }

        /// <summary>The indices in ascending order, or null where they are too many.</summary>
        public long[]? Finish() => Open && Prune() ? [.. indices.Take(count).Order()] : null;
    }
}
