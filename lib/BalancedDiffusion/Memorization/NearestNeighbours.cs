using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Memorization;

/// <summary>Exact nearest neighbours in blocks: no queries × set matrix, so memory stays below about 60 MB beyond the
/// data and the answer.</summary>
public static class NearestNeighbours
{
    private const long ScoreElements = 1 << 20;

    // How many more than k samples may lie within float32's rounding of the k-th before all are compared in float64.
    private const int Spare = 64;

    /// <summary>Finds the k samples of a set nearest to each query. Candidates are found by products (in float32 with a
    /// bound on its rounding, where the set has no more digits and lies on the CPU; else in float64), then their
    /// distances are taken from direct differences in float64.</summary>
    /// <param name="queries">(queries, …), floating point.</param>
    /// <param name="set">(n, …), floating point, samples of the same size.</param>
    /// <param name="k">How many neighbours, 1 to n (and at most 1,000).</param>
    /// <param name="kind">The distance.</param>
    /// <returns>Distances and indices, nearest first; among equal distances the lower index comes first.</returns>
    /// <exception cref="ArgumentException">Shapes do not fit, a set is empty, a number is not finite; with the cosine,
    /// a sample is all zero.</exception>
    /// <exception cref="ArgumentOutOfRangeException">k is below 1, above n or above 1,000.</exception>
    public static Neighbours Find(
        torch.Tensor queries,
        torch.Tensor set,
        int k,
        DistanceKind kind = DistanceKind.Euclidean
    )
    {
        ArgumentNullException.ThrowIfNull(queries);
        ArgumentNullException.ThrowIfNull(set);
        Guard.AtLeast(k, 1);
        if (queries.dim() < 2)
            throw new ArgumentException(
                "queries must have shape (queries, d) or (queries, channels, height, width), was "
                    + $"({string.Join(", ", queries.shape)})",
                nameof(queries)
            );
        if (!queries.is_floating_point())
            throw new ArgumentException(
                $"queries must hold floating-point numbers, was {queries.dtype}; convert them first",
                nameof(queries)
            );
        var cosine = kind switch
        {
            DistanceKind.Euclidean => false,
            DistanceKind.Cosine => true,
            _ => throw new ArgumentOutOfRangeException(nameof(kind), $"kind must be Euclidean or Cosine, was {kind}"),
        };
        Guard.Finite(queries);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var blocks = new SampleBlocks(set, cosine, nameof(set));
        if (k > Math.Min(blocks.Count, 1000))
            throw new ArgumentOutOfRangeException(
                nameof(k),
                $"k must be at most {Math.Min(blocks.Count, 1000)} for a set of {blocks.Count} samples, was {k}"
            );
        var rows = queries
            .detach()
            .reshape(queries.shape[0], queries.shape.Skip(1).Aggregate(1L, (product, n) => product * n));
        if (rows.shape[1] != blocks.Dimension)
            throw new ArgumentException(
                $"queries have {rows.shape[1]} numbers a sample, the set has {blocks.Dimension}; give both "
                    + "the same shape",
                nameof(queries)
            );
        if (cosine && rows.shape[0] > 0 && rows.abs().amax([1]).eq(0).any().item<bool>())
            throw new ArgumentException(
                "queries hold an all-zero sample, whose cosine is undefined; leave it out",
                nameof(queries)
            );

        var (distances, indices) = (new double[rows.shape[0] * k], new long[rows.shape[0] * k]);
        var batch = Math.Max(
            1,
            Math.Min(rows.shape[0], Math.Max(16, ScoreElements / Math.Max(blocks.Dimension, blocks.BlockRows)))
        );
        using var near =
            blocks.FitsSingle && rows.device_type == DeviceType.CPU
                ? new NearSamples(blocks, batch, k, k + Spare)
                : null;
        torch.Tensor? buffer = null,
            scoreBuffer = null;
        for (var offset = 0L; offset < rows.shape[0]; offset += batch)
        {
            SafePoint.Pass();
            using var step = torch.NewDisposeScope();
            var count = Math.Min(batch, rows.shape[0] - offset);
            var framed = blocks.Frame(rows.narrow(0, offset, count));
            var candidates = near?.Find(framed, new double[count]) ?? new long[]?[count];
            var unanswered = Enumerable
                .Range(0, candidates.Length)
                .Where(row => candidates[row] is null)
                .Select(row => (long)row)
                .ToArray();
            if (unanswered.Length > 0)
            {
                buffer ??= blocks.Buffer().MoveToOuterDisposeScope();
                scoreBuffer ??= torch
                    .empty([batch, blocks.BlockRows], dtype: torch.float64, device: rows.device)
                    .MoveToOuterDisposeScope();
                var found = Candidates(
                        blocks,
                        framed.index_select(0, torch.tensor(unanswered, device: rows.device)),
                        buffer,
                        scoreBuffer.narrow(0, 0, unanswered.Length),
                        k
                    )
                    .cpu()
                    .data<long>()
                    .ToArray();
                for (var i = 0; i < unanswered.Length; i++)
                    candidates[unanswered[i]] = [.. found.AsSpan(i * k, k)];
            }
            Rank(
                blocks,
                framed,
                candidates!,
                cosine,
                k,
                distances.AsSpan((int)offset * k),
                indices.AsSpan((int)offset * k)
            );
        }
        return new Neighbours(
            torch.tensor(distances, [rows.shape[0], k], device: rows.device).MoveToOuterDisposeScope(),
            torch.tensor(indices, [rows.shape[0], k], device: rows.device).MoveToOuterDisposeScope()
        );
    }

    /// <summary>The k nearest of each query's candidates, by distances from direct differences.</summary>
    private static void Rank(
        SampleBlocks blocks,
        torch.Tensor framed,
        long[][] candidates,
        bool cosine,
        int k,
        Span<double> distances,
        Span<long> indices
    )
    {
        // Unit vectors: 1 - cos = ‖a - b‖²/2, which keeps its accuracy where the cosine is close to 1.
        var apart = blocks.OfSquaredDistances(
            framed,
            candidates,
            squares => cosine ? squares.mul_(0.5) : squares.sqrt_()
        );
        for (var row = 0; row < candidates.Length; row++)
        {
            var best = candidates[row]
                .Zip(apart[row], (index, distance) => (Index: index, Distance: distance))
                .OrderBy(c => c.Distance)
                .ThenBy(c => c.Index)
                .Take(k);
            foreach (var ((index, distance), place) in best.Select((c, i) => (c, row * k + i)))
                (distances[place], indices[place]) = (distance, index);
        }
    }

    private static torch.Tensor Candidates(
        SampleBlocks blocks,
        torch.Tensor queries,
        torch.Tensor buffer,
        torch.Tensor scoreBuffer,
        int k
    )
    {
        torch.Tensor? bestScores = null,
            bestIndices = null;
        for (var offset = 0L; offset < blocks.Count; offset += blocks.BlockRows)
        {
            SafePoint.Pass();
            using var step = torch.NewDisposeScope();
            var block = blocks.Fill(buffer, offset);
            var scores = blocks.Scores(scoreBuffer, queries, block, offset);
            var (values, index) = scores.topk((int)Math.Min(k, block.shape[0]), 1);
            index = index + offset;
            if (bestScores is not null)
            {
                values = torch.cat([bestScores, values], 1);
                index = torch.cat([bestIndices!, index], 1);
                if (values.shape[1] > k)
                {
                    (values, var kept) = values.topk(k, 1);
                    index = index.gather(1, kept);
                }
                bestScores.Dispose();
                bestIndices!.Dispose();
            }
            bestScores = values.MoveToOuterDisposeScope();
            bestIndices = index.MoveToOuterDisposeScope();
        }
        return bestIndices!;
    }
}
