using TorchSharp;

namespace BalancedDiffusion.Denoisers;

/// <summary>
/// A set of samples seen in blocks of float64 rows, centred by its mean or scaled to unit length, so that inner products with all of them need neither
/// a copy of the set nor suffer from float32's cancellation: <c>‖y - x‖² = ‖y‖² - 2(yᵀx - ‖x‖²/2)</c>, and the bracket is what
/// <see cref="Scores"/> gives. Reading is safe from several threads; each brings its own buffers.
/// </summary>
internal sealed class SampleBlocks : IDisposable
{
    private const long BlockElements = 1 << 20; // 8 MB in float64
    private readonly torch.Tensor rows, centre, halfNorms;
    private readonly bool unit;

    /// <param name="samples">(n, …), floating point; shared, not copied.</param>
    /// <param name="unit">Whether rows are scaled to length 1 (then not centred).</param>
    /// <param name="name">The parameter to name in messages.</param>
    public SampleBlocks(torch.Tensor samples, bool unit, string name)
    {
        ArgumentNullException.ThrowIfNull(samples, name);
        if (samples.dim() < 2 || samples.shape.Skip(1).Contains(0))
            throw new ArgumentException($"{name} must have shape (n, d) or (n, channels, height, width), was ({string.Join(", ", samples.shape)})", name);
        if (!samples.is_floating_point()) throw new ArgumentException($"{name} must hold floating-point numbers, was {samples.dtype}; convert them first", name);
        if (samples.shape[0] == 0) throw new ArgumentException($"{name} is empty; give at least one sample", name);
        this.unit = unit;
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        rows = samples.detach().reshape(samples.shape[0], -1);
        BlockRows = Math.Clamp(BlockElements / Dimension, 1, Count);
        centre = torch.zeros(Dimension, dtype: torch.float64, device: rows.device);
        halfNorms = torch.empty(Count, dtype: torch.float64, device: rows.device);
        var buffer = Buffer();
        if (!unit)
        {
            var sum = torch.zeros_like(centre);
            for (var at = 0L; at < Count; at += BlockRows)
            {
                using var step = torch.NewDisposeScope();
                sum.add_(Fill(buffer, at).sum([0L]));
            }
            centre.copy_(sum.div_(Count));
        }
        for (var at = 0L; at < Count; at += BlockRows)
        {
            using var step = torch.NewDisposeScope();
            var block = Fill(buffer, at);
            halfNorms.narrow(0, at, block.shape[0]).copy_(block.square().sum(1).mul_(0.5));
            if (!torch.isfinite(halfNorms.narrow(0, at, block.shape[0])).all().item<bool>())
                throw new ArgumentException(unit ? $"{name} holds NaN, infinity or an all-zero sample, whose cosine is undefined; leave it out"
                    : $"{name} holds NaN, infinity or numbers too large to square; check the data they came from", name);
        }
        foreach (var kept in new[] { rows, centre, halfNorms }) kept.DetachFromDisposeScope();
    }

    public long Count => rows.shape[0];
    public long Dimension => rows.shape[1];
    public long BlockRows { get; }
    public torch.Device Device => rows.device;

    /// <summary>What is subtracted from every row, (d), float64.</summary>
    public torch.Tensor Centre => centre;

    /// <summary>A buffer for one block, (BlockRows, d), float64.</summary>
    public torch.Tensor Buffer() => torch.empty([BlockRows, Dimension], dtype: torch.float64, device: Device);

    /// <summary>Puts the rows from <paramref name="at"/> on into the buffer; gives the filled part of it.</summary>
    public torch.Tensor Fill(torch.Tensor buffer, long at)
    {
        var count = Math.Min(BlockRows, Count - at);
        var block = buffer.narrow(0, 0, count);
        block.copy_(rows.narrow(0, at, count));
        if (!unit) block.sub_(centre);
        else block.div_(block.norm(1, keepdim: true));
        return block;
    }

    /// <summary>Queries (b, d) brought into the same frame, a new float64 tensor.</summary>
    public torch.Tensor Frame(torch.Tensor queries)
    {
        var framed = queries.to_type(torch.float64, copy: true);
        if (!unit) framed.sub_(centre);
        else framed.div_(framed.norm(1, keepdim: true));
        return framed;
    }

    /// <summary><c>yᵀx - ‖x‖²/2</c> of framed queries with a block, into the first columns of a buffer (b, ≥ block).</summary>
    public torch.Tensor Scores(torch.Tensor buffer, torch.Tensor queries, torch.Tensor block, long at)
    {
        var scores = buffer.narrow(1, 0, block.shape[0]);
        scores.copy_(halfNorms.narrow(0, at, block.shape[0]).neg().unsqueeze(0));
        scores.addmm_(queries, block.t());
        return scores;
    }

    /// <summary>Rows by index in the frame, a new (count, d) float64 tensor.</summary>
    public torch.Tensor Gather(torch.Tensor indices) => Frame(rows.index_select(0, indices));

    public void Dispose()
    {
        rows.Dispose();
        centre.Dispose();
        halfNorms.Dispose();
    }
}
