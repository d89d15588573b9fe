using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Denoisers;

/// <summary>
/// The posterior mean under the training set, f_emp of the paper: a softmax of <c>-‖y - x_i‖²/(2 sigma²)</c> over the samples, times the samples. It is
/// what an unlimited network learns in the end, and sampling with it ends on training samples.
/// <para>Distances and sums are taken in float64 over centred blocks of samples with a running maximum, so that the answer is exact to float32
/// (1e-6) at every noise level, and memory stays below about 60 MB whatever the number of samples and the batch.</para>
/// </summary>
public sealed class EmpiricalDenoiser : IDenoiser, IDisposable
{
    private const long ScoreElements = 1 << 20;
    private readonly SampleBlocks blocks;
    private readonly long[] sampleShape;

    /// <summary>A denoiser for these training samples.</summary>
    /// <param name="samples">(n, d) or (n, channels, height, width), floating point. Shared, not copied (unless not contiguous): leave them as they are.</param>
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
    public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var rows = DenoiserInput.Rows(noisy, sampleShape, blocks.Device);
        var levels = DenoiserInput.Levels(sigma, rows.shape[0], blocks.Device);
        var result = torch.empty(rows.shape, dtype: noisy.dtype, device: noisy.device);
        OverQueries(rows, (queries, buffer, scoreBuffer, at, count) =>
        {
            var level = levels.narrow(0, at, count);
            var best = torch.full([count, 1], double.NegativeInfinity, dtype: torch.float64, device: blocks.Device);
            var total = torch.zeros_like(best);
            var mean = torch.zeros_like(queries);
            OverBlocks(queries, buffer, scoreBuffer, (block, scores, _) =>
            {
                var higher = best.maximum(scores.amax([1], keepdim: true));
                // Dividing twice by sigma keeps sigma² from underflowing.
                var fade = (best - higher).div_(level).div_(level).exp_();
                scores.sub_(higher).div_(level).div_(level).exp_();
                mean.mul_(fade).addmm_(scores, block);
                total.mul_(fade).add_(scores.sum(1, keepdim: true));
                best.copy_(higher);
            });
            result.narrow(0, at, count).copy_(mean.div_(total).add_(blocks.Centre));
        });
        return result.reshape(noisy.shape).MoveToOuterDisposeScope();
    }

    /// <summary>The posterior weight of every training sample, the softmax itself.</summary>
    /// <param name="noisy">Noisy samples, (batch, SampleShape…).</param>
    /// <param name="sigma">Noise levels, shape [] or [batch], all &gt; 0.</param>
    /// <returns>(batch, n), float64, rows summing to 1. It takes 8 · batch · n bytes, and about three times that while it is computed.</returns>
    /// <exception cref="ArgumentException">As for <see cref="Denoise"/>.</exception>
    public torch.Tensor PosteriorWeights(torch.Tensor noisy, torch.Tensor sigma)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var rows = DenoiserInput.Rows(noisy, sampleShape, blocks.Device);
        var levels = DenoiserInput.Levels(sigma, rows.shape[0], blocks.Device);
        var weights = torch.empty([rows.shape[0], Count], dtype: torch.float64, device: blocks.Device);
        OverQueries(rows, (queries, buffer, scoreBuffer, at, count) =>
        {
            var part = weights.narrow(0, at, count);
            OverBlocks(queries, buffer, scoreBuffer, (_, scores, first) => part.narrow(1, first, scores.shape[1]).copy_(scores));
            var level = levels.narrow(0, at, count);
            part.sub_(part.amax([1], keepdim: true)).div_(level).div_(level).exp_();
            part.div_(part.sum(1, keepdim: true));
        });
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

    /// <summary>The index of the training sample nearest to each noisy one, to which <see cref="Denoise"/> tends as sigma → 0.</summary>
    /// <param name="noisy">Noisy samples, (batch, SampleShape…).</param>
    /// <returns>(batch), int64. Where samples are equally near it is one of them.</returns>
    /// <exception cref="ArgumentException">A shape or a type is wrong, or noisy holds NaN or infinity.</exception>
    public torch.Tensor NearestIndex(torch.Tensor noisy)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var rows = DenoiserInput.Rows(noisy, sampleShape, blocks.Device);
        var nearest = torch.zeros(rows.shape[0], dtype: torch.int64, device: blocks.Device);
        OverQueries(rows, (queries, buffer, scoreBuffer, at, count) =>
        {
            var best = torch.full(count, double.NegativeInfinity, dtype: torch.float64, device: blocks.Device);
            var part = nearest.narrow(0, at, count);
            OverBlocks(queries, buffer, scoreBuffer, (_, scores, first) =>
            {
                var (value, index) = scores.max(1);
                var higher = value.gt(best);
                part.copy_(torch.where(higher, index.add_(first), part));
                best.copy_(torch.where(higher, value, best));
            });
        });
        return nearest.MoveToOuterDisposeScope();
    }

    private void OverQueries(torch.Tensor rows, Action<torch.Tensor, torch.Tensor, torch.Tensor, long, long> body)
    {
        var batch = Math.Max(1, Math.Min(rows.shape[0], Math.Max(16, ScoreElements / Math.Max(blocks.Dimension, blocks.BlockRows))));
        var buffer = blocks.Buffer();
        var scores = torch.empty([batch, blocks.BlockRows], dtype: torch.float64, device: blocks.Device);
        for (var at = 0L; at < rows.shape[0]; at += batch)
        {
            using var step = torch.NewDisposeScope();
            var count = Math.Min(batch, rows.shape[0] - at);
            body(blocks.Frame(rows.narrow(0, at, count)), buffer, scores.narrow(0, 0, count), at, count);
        }
    }

    private void OverBlocks(torch.Tensor queries, torch.Tensor buffer, torch.Tensor scoreBuffer, Action<torch.Tensor, torch.Tensor, long> body)
    {
        for (var at = 0L; at < Count; at += blocks.BlockRows)
        {
            using var step = torch.NewDisposeScope();
            var block = blocks.Fill(buffer, at);
            body(block, blocks.Scores(scoreBuffer, queries, block, at), at);
        }
    }

    /// <summary>Frees what the denoiser holds; the samples stay with their owner.</summary>
    public void Dispose() => blocks.Dispose();
}
