using TorchSharp;

namespace BalancedDiffusion.Denoisers;

/// <summary>
/// A set of samples seen in blocks of float64 rows, centred by its mean or scaled to unit length, so that inner
/// products with all of them need neither a copy of the set nor suffer from float32's cancellation: <c>‖y - x‖² =
/// ‖y‖² - 2(yᵀx - ‖x‖²/2)</c>, and the bracket is what <see cref="Scores"/> gives. Reading is safe from
/// several threads; each brings its own buffers.
/// </summary>
internal sealed class SampleBlocks : IDisposable
{
    private const long BlockElements = 1 << 20; // 8 MB in float64

    /// <summary>Longer vectors are not taken in float32: squares and sums of them might leave its range.</summary>
    public const double LongestSingle = 1e15;

    private readonly torch.Tensor rows,
        centre,
        norms,
        halfNorms,
        singleCentre,
        singleHalfNorms;
    private readonly bool unit;

    /// <param name="samples">(n, …), floating point; shared, not copied.</param>
    /// <param name="unit">Whether rows are scaled to length 1 (then not centred).</param>
    /// <param name="name">The parameter to name in messages.</param>
    public SampleBlocks(torch.Tensor samples, bool unit, string name)
    {
        ArgumentNullException.ThrowIfNull(samples, name);
        if (samples.dim() < 2 || samples.shape.Skip(1).Contains(0))
            throw new ArgumentException(
                $"{name} must have shape (n, d) or (n, channels, height, width), was "
                    + $"({string.Join(", ", samples.shape)})",
                name
            );
        if (!samples.is_floating_point())
            throw new ArgumentException(
                $"{name} must hold floating-point numbers, was {samples.dtype}; convert them first",
                name
            );
        if (samples.shape[0] == 0)
            throw new ArgumentException($"{name} is empty; give at least one sample", name);
        this.unit = unit;
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        rows = samples.detach().reshape(samples.shape[0], -1);
        BlockRows = Math.Clamp(BlockElements / Dimension, 1, Count);
        centre = torch.zeros(Dimension, dtype: torch.float64, device: rows.device);
        norms = torch.empty([unit ? Count : 0, 1], dtype: torch.float64, device: rows.device);
        halfNorms = torch.empty(Count, dtype: torch.float64, device: rows.device);
        singleHalfNorms = torch.empty(Count, dtype: torch.float32, device: rows.device);
        var buffer = Buffer();
        if (!unit)
        {
            var sum = torch.zeros_like(centre);
            for (var offset = 0L; offset < Count; offset += BlockRows)
            {
                using var step = torch.NewDisposeScope();
                sum.add_(Fill(buffer, offset).sum([0L]));
            }
            centre.copy_(sum.div_(Count));
        }
        singleCentre = centre.to_type(torch.float32);
        var shift = Shift();
        for (var offset = 0L; offset < Count; offset += BlockRows)
        {
            using var step = torch.NewDisposeScope();
            if (unit)
                norms
                    .narrow(0, offset, Math.Min(BlockRows, Count - offset))
                    .copy_(Raw(buffer, offset).norm(1, keepdim: true));
            var block = Fill(buffer, offset);
            var shifted = block.mv(shift);
            var halves = halfNorms.narrow(0, offset, block.shape[0]).copy_(block.mul_(block).sum(1).mul_(0.5));
            if (!torch.isfinite(halves).all().item<bool>())
                throw new ArgumentException(
                    unit
                        ? $"{name} holds NaN, infinity or an all-zero sample, whose cosine is undefined; leave it out"
                        : $"{name} holds NaN, infinity or numbers too large to square; check the data they came from",
                    name
                );
            singleHalfNorms
                .narrow(0, offset, block.shape[0])
                .copy_(shifted.add_(halves).add_(shift.square().sum().mul_(0.5)));
        }
        Radius = Math.Sqrt(2 * halfNorms.max().item<double>());
        FitsSingle =
            rows.dtype != torch.float64
            && Radius < LongestSingle
            && (
                !unit || (norms.min().item<double>() > 1 / LongestSingle && norms.max().item<double>() < LongestSingle)
            );
        foreach (var kept in new[] { rows, centre, norms, halfNorms, singleCentre, singleHalfNorms })
            kept.DetachFromDisposeScope();
    }

    public long Count => rows.shape[0];
    public long Dimension => rows.shape[1];
    public long BlockRows { get; }
    public torch.Device Device => rows.device;

    /// <summary>The length of the longest framed row.</summary>
    public double Radius { get; }

    /// <summary>Whether float32 holds framed rows, their squares and sums of them, and the samples hold no digits
    /// beyond it.</summary>
    public bool FitsSingle { get; }

    /// <summary>What is subtracted from every row, (d), float64.</summary>
    public torch.Tensor Centre => centre;

    /// <summary>A buffer for one block, (BlockRows, d), float64.</summary>
    public torch.Tensor Buffer() => torch.empty([BlockRows, Dimension], dtype: torch.float64, device: Device);

    /// <summary>Puts the rows from <paramref name="offset"/> on into the buffer; gives the filled part of it.</summary>
    public torch.Tensor Fill(torch.Tensor buffer, long offset)
    {
        var block = Raw(buffer, offset);
        return unit ? block.div_(norms.narrow(0, offset, block.shape[0])) : block.sub_(centre);
    }

    /// <summary>The same in float32 for up to so many rows; the frame's centre is rounded to float32 first, so that all
    /// of a sample's own digits are kept.</summary>
    public torch.Tensor FillSingle(torch.Tensor buffer, long offset, long most)
    {
        var block = Raw(buffer.narrow(0, 0, Math.Min(most, BlockRows)), offset);
        return unit
            ? block.div_(norms.narrow(0, offset, block.shape[0]).to_type(torch.float32))
            : block.sub_(singleCentre);
    }

    private torch.Tensor Raw(torch.Tensor buffer, long offset)
    {
        var count = Math.Min(buffer.shape[0], Count - offset);
        return buffer.narrow(0, 0, count).copy_(rows.narrow(0, offset, count));
    }

    /// <summary>What the centre loses in float32.</summary>
    private torch.Tensor Shift() => centre - singleCentre;

    /// <summary>Queries (b, d) brought into the same frame, a new float64 tensor.</summary>
    public torch.Tensor Frame(torch.Tensor queries)
    {
        var framed = queries.to_type(torch.float64, copy: true);
        if (!unit)
            framed.sub_(centre);
        else
            framed.div_(framed.norm(1, keepdim: true));
        return framed;
    }

    /// <summary><c>yᵀx - ‖x‖²/2</c> of framed queries with a block, into the first columns of a buffer (b, ≥
    /// block).</summary>
    public torch.Tensor Scores(torch.Tensor buffer, torch.Tensor queries, torch.Tensor block, long offset)
    {
        var scores = buffer.narrow(1, 0, block.shape[0]);
        scores.copy_(halfNorms.narrow(0, offset, block.shape[0]).neg().unsqueeze(0));
        scores.addmm_(queries, block.t());
        return scores;
    }

    /// <summary>Framed queries in the frame of <see cref="FillSingle"/>, a new float32 tensor.</summary>
    public torch.Tensor Single(torch.Tensor queries) => queries.add(Shift()).to_type(torch.float32);

    /// <summary><c>‖x‖²/2</c> of the rows from <paramref name="offset"/> on in that frame, float32.</summary>
    public torch.Tensor SingleHalfNorms(long offset, long count) => singleHalfNorms.narrow(0, offset, count);

    /// <summary>Rows by index in the frame, a new (count, d) float64 tensor.</summary>
    public torch.Tensor Gather(torch.Tensor indices) => Frame(rows.index_select(0, indices));

    /// <summary>A function of <c>‖y - x‖²</c>, in float64 by direct differences, for each framed query and the
    /// rows named for it.</summary>
    public double[][] OfSquaredDistances(
        torch.Tensor queries,
        long[][] indices,
        Func<torch.Tensor, torch.Tensor> function
    )
    {
        var result = indices.Select(row => new double[row.Length]).ToArray();
        OverPairs(
            indices,
            (gathered, owners, pairs) =>
            {
                var apart = gathered.sub_(queries.index_select(0, owners));
                foreach (
                    var ((query, place), value) in pairs.Zip(
                        function(apart.mul_(apart).sum(1)).cpu().data<double>().ToArray()
                    )
                )
                    result[query][place] = value;
            }
        );
        return result;
    }

    /// <summary>Weighted sums of the framed rows named for each query, (queries, d), float64.</summary>
    public torch.Tensor WeightedSums(long[][] indices, double[][] weights)
    {
        var sums = torch.zeros([indices.Length, Dimension], dtype: torch.float64, device: Device);
        OverPairs(
            indices,
            (gathered, owners, pairs) =>
                sums.index_add_(
                    0,
                    owners,
                    gathered.mul_(
                        torch
                            .tensor(pairs.Select(p => weights[p.Query][p.Place]).ToArray(), device: Device)
                            .unsqueeze(1)
                    ),
                    1
                )
        );
        return sums;
    }

    private void OverPairs(long[][] indices, Action<torch.Tensor, torch.Tensor, (int Query, int Place)[]> body)
    {
        var all = indices.SelectMany(
            (row, query) => Enumerable.Range(0, row.Length).Select(place => (Query: query, Place: place))
        );
        foreach (var pairs in all.Chunk((int)Math.Max(1, BlockRows / 2)))
        {
            using var step = torch.NewDisposeScope();
            var gathered = Gather(torch.tensor(pairs.Select(p => indices[p.Query][p.Place]).ToArray(), device: Device));
            body(gathered, torch.tensor(pairs.Select(p => (long)p.Query).ToArray(), device: Device), pairs);
        }
    }

    public void Dispose()
    {
        foreach (var kept in new[] { rows, centre, norms, halfNorms, singleCentre, singleHalfNorms })
            kept.Dispose();
    }
}
