using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Denoisers;

/// <summary>
/// The posterior mean under the training set, f_emp of the paper: a softmax of <c>-‖y - x_i‖²/(2 sigma²)</c> over
/// the samples, times the samples. It is what an unlimited network learns in the end, and sampling with it ends on
/// training samples.
/// <para>Distances and sums are taken in float64 over centred blocks of samples with a running maximum, so that the
/// output is exact to float32 (1e-6) at every noise level, and memory stays below about 60 MB whatever the number of
/// samples and the batch.</para>
/// </summary>
public sealed class EmpiricalDenoiser : IDenoiser, IDisposable
{
    private const long ScoreElements = 1 << 20;

    // In a large set the samples that have weight for a query are searched first. The mean is taken over those alone
    // where they are few: at most MostNear, and at most one sample in LeastShareNear.
    private const int FewestToSearch = 1024,
        MostNear = 64,
        LeastShareNear = 256;

    // Samples below e^(-21)/n of the largest weight make up less than 1e-9 together.
    private const double NegligibleExponent = 21;

    private readonly SampleBlocks blocks;
    private readonly long[] sampleShape;

    /// <summary>A denoiser for these training samples.</summary>
    /// <param name="samples">(n, d) or (n, channels, height, width), floating point. Shared, not copied (unless not
    /// contiguous): leave them as they are.</param>
    /// <exception cref="ArgumentException">The set is empty, holds NaN or infinity, or has another shape.</exception>
    public EmpiricalDenoiser(torch.Tensor samples)
    {
        blocks = new SampleBlocks(samples, unit: false, nameof(samples));
        sampleShape = samples.shape[1..];
    }

    /// <summary>n, the number of training samples.</summary>
    public long Count => blocks.Count;

    /// <inheritdoc/>
    public IReadOnlyList<long> SampleShape => sampleShape;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A shape or a type is wrong, or noisy holds NaN or infinity.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A noise level is not positive and finite.</exception>
    /// <remarks>Records no gradient. The result has the type of <paramref name="noisy"/>.</remarks>
    public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma) => Denoise(noisy, NoiseLevels.Of(sigma));

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">As for <see cref="Denoise(torch.Tensor, torch.Tensor)"/>.</exception>
    public torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma)
    {
        Guard.Sigma(sigma);
        return Denoise(noisy, NoiseLevels.Of(sigma));
    }

    private torch.Tensor Denoise(torch.Tensor noisy, NoiseLevels sigma)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var rows = DenoiserInput.Rows(noisy, sampleShape, blocks.Device);
        var levels = NoiseLevels.Column(sigma.Values(noisy), rows.shape[0], blocks.Device);
        var result = torch.empty(rows.shape, dtype: noisy.dtype, device: noisy.device);
        var isSingle = noisy.dtype != torch.float64 && blocks.FitsSingle;
        using var near = isSingle ? SearchNear(rows) : null;
        var buffers = Buffers(rows, near, isSingle);
        OverQueries(
            rows,
            (queries, buffer, scoreBuffer, offset, count) =>
            {
                var (level, target) = (levels.narrow(0, offset, count), result.narrow(0, offset, count));
                if (near is null)
                {
                    target.copy_(MeanOfAll(queries, level, buffer, scoreBuffer, buffers));
                    return;
                }
                var open = CopyMeansOfNear(near, queries, level, target);
                if (open.Length == 0)
                    return;
                var index = torch.tensor(open);
                var (openQueries, openLevel) = (queries.index_select(0, index), level.index_select(0, index));
                var means = MeanOfAll(openQueries, openLevel, buffer, scoreBuffer, buffers);
                target.index_copy_(0, index, means.to_type(result.dtype));
            }
        );
        return result.reshape(noisy.shape).MoveToOuterDisposeScope();
    }

    /// <summary>A search for the samples that a query has weight on; null where it does not pay.</summary>
    private NearSamples? SearchNear(torch.Tensor rows) =>
        Count >= FewestToSearch && blocks.Device.type == DeviceType.CPU
            ? new NearSamples(blocks, Batch(rows), 1, (int)Math.Min(MostNear, Count / LeastShareNear))
            : null;

    /// <summary>Memory for the means; the search's is used again where there is one. Memory that nothing is written to
    /// costs nothing.</summary>
    private PosteriorBuffers Buffers(torch.Tensor rows, NearSamples? near, bool isSingle)
    {
        torch.Tensor Empty(long height, long width) =>
            torch.empty([height, width], dtype: torch.float32, device: blocks.Device);
        var batch = Batch(rows);
        return new PosteriorBuffers(
            isSingle,
            near?.Scores ?? Empty(batch, blocks.BlockRows),
            near?.Samples ?? Empty(blocks.BlockRows, blocks.Dimension),
            Empty(batch, blocks.Dimension)
        );
    }

    /// <summary>The means of framed queries under all samples, block after block.</summary>
    private torch.Tensor MeanOfAll(
        torch.Tensor queries,
        torch.Tensor level,
        torch.Tensor buffer,
        torch.Tensor scoreBuffer,
        PosteriorBuffers buffers
    )
    {
        var mean = new PosteriorMean(queries, level, buffers);
        var scoresOfThese = scoreBuffer.narrow(0, 0, queries.shape[0]);
        OverBlocks(queries, buffer, scoresOfThese, (block, scores, _) => mean.Add(block, scores));
        return mean.Finish().add_(blocks.Centre);
    }

    /// <summary>Writes the means of the queries that have weight on few samples, over those alone; returns the rows of
    /// the other queries.</summary>
    private long[] CopyMeansOfNear(NearSamples near, torch.Tensor queries, torch.Tensor level, torch.Tensor target)
    {
        var sigmas = level.contiguous().data<double>().ToArray();
        var reach = sigmas.Select(sigma => sigma * sigma * (NegligibleExponent + Math.Log(Count))).ToArray();
        var found = near.Find(queries, reach);
        var resolved = Enumerable.Range(0, found.Length).Where(row => found[row] is not null).ToArray();
        if (resolved.Length > 0)
        {
            using var scope = torch.NewDisposeScope();
            var index = torch.tensor(resolved.Select(row => (long)row).ToArray());
            var members = resolved.Select(row => found[row]!).ToArray();
            var weights = blocks.OfSquaredDistances(queries.index_select(0, index), members, squares => squares);
            foreach (var (row, sigma) in weights.Zip(resolved.Select(row => sigmas[row])))
                ToWeights(row, sigma);
            target.index_copy_(
                0,
                index,
                blocks.WeightedSums(members, weights).add_(blocks.Centre).to_type(target.dtype)
            );
        }
        return [.. Enumerable.Range(0, found.Length).Where(row => found[row] is null).Select(row => (long)row)];
    }

    /// <summary>Turns squared distances into weights that sum to 1.</summary>
    private static void ToWeights(double[] row, double sigma)
    {
        var least = row.Min();
        for (var i = 0; i < row.Length; i++)
            row[i] = Math.Exp((least - row[i]) / sigma / sigma / 2);
        var total = row.Sum();
        for (var i = 0; i < row.Length; i++)
            row[i] /= total;
    }

    /// <summary>The posterior weight of every training sample, the softmax itself.</summary>
    /// <param name="noisy">Noisy samples, (batch, SampleShape…).</param>
    /// <param name="sigma">Noise levels, shape [] or [batch], all &gt; 0.</param>
    /// <returns>(batch, n), float64, rows summing to 1. It takes 8 · batch · n bytes, and about three times that
    /// while it is computed.</returns>
    /// <exception cref="ArgumentException">As for <see cref="Denoise(torch.Tensor, torch.Tensor)"/>.</exception>
    public torch.Tensor PosteriorWeights(torch.Tensor noisy, torch.Tensor sigma)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var rows = DenoiserInput.Rows(noisy, sampleShape, blocks.Device);
        var levels = NoiseLevels.Column(NoiseLevels.Of(sigma).Values(noisy), rows.shape[0], blocks.Device);
        var weights = torch.empty([rows.shape[0], Count], dtype: torch.float64, device: blocks.Device);
        OverQueries(
            rows,
            (queries, buffer, scoreBuffer, offset, count) =>
            {
                var part = weights.narrow(0, offset, count);
                OverBlocks(
                    queries,
                    buffer,
                    scoreBuffer,
                    (_, scores, first) => part.narrow(1, first, scores.shape[1]).copy_(scores)
                );
                var level = levels.narrow(0, offset, count);
                part.sub_(part.amax([1], keepdim: true)).div_(level).div_(level).exp_();
                part.div_(part.sum(1, keepdim: true));
            }
        );
        return weights.MoveToOuterDisposeScope();
    }

    /// <summary>The posterior weights at one noise level for the whole batch; see the other overload.</summary>
    /// <param name="noisy">Noisy samples, (batch, SampleShape…).</param>
    /// <param name="sigma">The noise level, &gt; 0 and finite.</param>
    public torch.Tensor PosteriorWeights(torch.Tensor noisy, double sigma)
    {
        Guard.Sigma(sigma);
        using var level = torch.tensor(sigma, dtype: torch.float64);
        return PosteriorWeights(noisy, level);
    }

    /// <summary>How many queries are computed at once.</summary>
    private long Batch(torch.Tensor rows) =>
        Math.Max(
            1,
            Math.Min(rows.shape[0], Math.Max(16, ScoreElements / Math.Max(blocks.Dimension, blocks.BlockRows)))
        );

    private void OverQueries(torch.Tensor rows, Action<torch.Tensor, torch.Tensor, torch.Tensor, long, long> body)
    {
        var batch = Batch(rows);
        var buffer = blocks.Buffer();
        var scores = torch.empty([batch, blocks.BlockRows], dtype: torch.float64, device: blocks.Device);
        for (var offset = 0L; offset < rows.shape[0]; offset += batch)
        {
            SafePoint.Pass();
            using var step = torch.NewDisposeScope();
            var count = Math.Min(batch, rows.shape[0] - offset);
            body(blocks.Frame(rows.narrow(0, offset, count)), buffer, scores.narrow(0, 0, count), offset, count);
        }
    }

    private void OverBlocks(
        torch.Tensor queries,
        torch.Tensor buffer,
        torch.Tensor scoreBuffer,
        Action<torch.Tensor, torch.Tensor, long> body
    )
    {
        for (var offset = 0L; offset < Count; offset += blocks.BlockRows)
        {
            SafePoint.Pass();
            using var step = torch.NewDisposeScope();
            var block = blocks.Fill(buffer, offset);
            body(block, blocks.Scores(scoreBuffer, queries, block, offset), offset);
        }
    }

    /// <summary>Frees what the denoiser holds; the samples stay with their owner.</summary>
    public void Dispose() => blocks.Dispose();
}
