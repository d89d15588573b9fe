using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Protocols;

/// <summary>What a step of training on latents draws: rows, timesteps, noise, and which conditions are replaced by the
/// empty one. All of it depends on one seed.</summary>
/// <param name="Levels">How many timesteps there are.</param>
/// <param name="Empty">The empty condition, (length) or (1, length), int64.</param>
/// <param name="EmptyShare">The share of conditions that it replaces, in [0, 1).</param>
/// <param name="Device">Where the network lies.</param>
internal sealed record LatentDraws(int Levels, torch.Tensor Empty, double EmptyShare, torch.Device Device)
{
    private const int Block = 64;

    /// <summary>A scalar from latents, conditions, noise and timesteps, a mean over the rows.</summary>
    public delegate torch.Tensor RowLoss(
        torch.Tensor latents,
        torch.Tensor conditions,
        torch.Tensor noise,
        int[] timesteps
    );

    /// <summary>The loss of a batch that is drawn with replacement.</summary>
    /// <returns>A scalar that records a gradient; the caller owns it.</returns>
    public torch.Tensor Loss(ConditionedLatents train, long seed, int batch, RowLoss loss)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = Seeds.Generator(Seeds.Derive(seed, "batch"));
        long[] Draw(long below) =>
            torch.randint(below, [batch], dtype: torch.int64, generator: generator).data<long>().ToArray();
        var rows = Draw(train.Rows);
        int[] times = [.. Draw(Levels).Select(t => (int)t)];
        var dropped = torch.rand([batch, 1], generator: generator).lt(EmptyShare);
        var (latents, conditions) = train.Pick(rows);
        var noise = GaussianNoise.Draw(latents.shape, Seeds.Derive(seed, "noise"), device: Device);
        return loss(latents.to(Device), torch.where(dropped, Empty, conditions), noise, times)
            .MoveToOuterDisposeScope();
    }

    /// <summary>The mean loss of held-out latents with their conditions, at evenly spaced timesteps and with noise that
    /// are the same for the same seed, as the measure <c>validation</c>.</summary>
    public Dictionary<string, double> Validate(ConditionedLatents heldOut, long seed, RowLoss loss)
    {
        var total = 0.0;
        var count = heldOut.Rows;
        for (var first = 0; first < count; first += Block)
        {
            SafePoint.Serve();
            using var scope = torch.NewDisposeScope();
            int[] rows = [.. Enumerable.Range(first, Math.Min(Block, count - first))];
            var (latents, conditions) = heldOut.Pick([.. rows.Select(i => (long)i)]);
            var noise = GaussianNoise.DrawEach(latents.shape, seed, first, device: Device);
            int[] times = [.. rows.Select(i => (int)((i + 0.5) / count * Levels))];
            total += loss(latents.to(Device), conditions, noise, times).item<float>() * rows.Length;
        }
        return new() { ["validation"] = total / count };
    }
}
