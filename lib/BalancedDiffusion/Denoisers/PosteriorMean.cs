using TorchSharp;

namespace BalancedDiffusion.Denoisers;

/// <summary>Memory for posterior means that is used again for every batch of queries.</summary>
/// <param name="IsSingle">Whether weights and samples are multiplied in float32.</param>
/// <param name="Weights">(queries, block), float32.</param>
/// <param name="Samples">(block, d), float32.</param>
/// <param name="Sums">(queries, d), float32.</param>
internal sealed record PosteriorBuffers(bool IsSingle, torch.Tensor Weights, torch.Tensor Samples, torch.Tensor Sums);

/// <summary>
/// The posterior means of some queries, gathered block after block of samples: a softmax with a running maximum, so
/// that no weight overflows in whatever order the blocks come. Its tensors belong to the dispose scope that it is made
/// in.
/// </summary>
internal sealed class PosteriorMean
{
    // A float32 sum of n equal terms may lose n/4 roundings: products are summed in runs of 32, 16 of those make a sum,
    // and such sums are added in float64.
    private const long Run = 32,
        Runs = 16 * Run;

    // Beyond, a weight is nothing: it is not made smaller, for products with denormal numbers are slow.
    private const int LeastSingle = -87,
        LeastDouble = -708;

    private readonly PosteriorBuffers buffers;
    private readonly int least;
    private readonly torch.Tensor variance,
        best,
        total,
        mean;

    /// <param name="queries">(b, d), float64, in the frame of the blocks.</param>
    /// <param name="level">Their noise levels, (b, 1), float64.</param>
    /// <param name="buffers">For b queries or more.</param>
    public PosteriorMean(torch.Tensor queries, torch.Tensor level, PosteriorBuffers buffers)
    {
        this.buffers = buffers;
        least = buffers.IsSingle ? LeastSingle : LeastDouble;
        variance = level.square().clamp_(1e-300, 1e300);
        best = torch.full([queries.shape[0], 1], double.NegativeInfinity, dtype: torch.float64, device: queries.device);
        total = torch.zeros_like(best);
        mean = torch.zeros_like(queries);
    }

    /// <summary>Takes in a block of samples.</summary>
    /// <param name="block">(samples, d), float64.</param>
    /// <param name="scores">Of the queries with them, (b, samples), float64; overwritten.</param>
    public void Add(torch.Tensor block, torch.Tensor scores)
    {
        var top = scores.amax([1], keepdim: true);
        var higher = best.maximum(top);
        // Queries to which no sample of the block gives a weight are left out: most of them, once sigma is small.
        var index = top.sub_(higher).div_(variance).gt(least).flatten().nonzero().flatten();
        if (index.shape[0] == 0)
            return;
        var fade = (best - higher).div_(variance).exp_();
        var exponents = Chosen(scores, index)
            .sub_(Chosen(higher, index))
            .div_(Chosen(variance, index))
            .clamp_min_(least);
        var sum = Chosen(mean, index).mul_(Chosen(fade, index));
        var weights =
            buffers.IsSingle && index.shape[0] > 1
                ? AddInRuns(sum, exponents, block)
                : AddAtOnce(sum, exponents, block);
        if (index.shape[0] < mean.shape[0])
            mean.index_copy_(0, index, sum);
        total.mul_(fade).index_add_(0, index, weights.sum(1, keepdim: true).to_type(torch.float64), 1);
        best.copy_(higher);
    }

    /// <summary>The means under the blocks so far, (b, d), float64, in their frame; ends the gathering.</summary>
    public torch.Tensor Finish() => mean.div_(total);

    /// <summary>The rows of the chosen queries: the tensor itself where all are.</summary>
    private torch.Tensor Chosen(torch.Tensor values, torch.Tensor index) =>
        index.shape[0] == mean.shape[0] ? values : values.index_select(0, index);

    /// <summary>Adds the weighted samples to the sum; gives the weights.</summary>
    private static torch.Tensor AddAtOnce(torch.Tensor sum, torch.Tensor exponents, torch.Tensor block)
    {
        var weights = exponents.exp_();
        sum.addmm_(weights, block);
        return weights;
    }

    /// <summary>The same with products in float32.</summary>
    private torch.Tensor AddInRuns(torch.Tensor sum, torch.Tensor exponents, torch.Tensor block)
    {
        var (queries, count) = (exponents.shape[0], block.shape[0]);
        var weights = buffers.Weights.narrow(0, 0, queries).narrow(1, 0, count).copy_(exponents).exp_();
        var samples = buffers.Samples.narrow(0, 0, count).copy_(block);
        var part = buffers.Sums.narrow(0, 0, queries);
        for (var from = 0L; from < count; from += Run)
        {
            var run = Math.Min(Run, count - from);
            var isFirst = from % Runs == 0;
            part.addmm_(weights.narrow(1, from, run), samples.narrow(0, from, run), beta: isFirst ? 0 : 1);
            var isLast = (from + run) % Runs == 0 || from + run == count;
            if (isLast)
                sum.add_(part);
        }
        return weights;
    }
}
