using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>What all samplers share: the checks, the loop, one dispose scope a step, progress and cancellation.</summary>
internal static class SamplerRun
{
    /// <summary>One step from level <paramref name="from"/> to <paramref name="to"/>; returns the new state.</summary>
    public delegate torch.Tensor Step(torch.Tensor x, int index, double from, double to);

    public static torch.Tensor Run(IDenoiser denoiser, torch.Tensor start, IReadOnlyList<double> sigmas, IProgress<int>? progress, CancellationToken cancellation, Step step)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        CheckLevels(sigmas);
        Guard.Shape(start, [-1, .. denoiser.SampleShape]);
        Guard.AtLeast(start.shape[0], 1, "the number of samples");
        Guard.Finite(start);
        using var noGrad = torch.no_grad();
        var x = start.clone().DetachFromDisposeScope();
        try
        {
            for (var i = 0; i + 1 < sigmas.Count; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                using var scope = torch.NewDisposeScope();
                var next = step(x, i, sigmas[i], sigmas[i + 1]).DetachFromDisposeScope();
                x.Dispose();
                x = next;
                progress?.Report(i + 1);
            }
        }
        catch
        {
            x.Dispose();
            throw;
        }
        return x.AttachToCurrentScope();
    }

    /// <summary>The denoiser's answer, refused if it is not finite.</summary>
    public static torch.Tensor Ask(IDenoiser denoiser, torch.Tensor x, double sigma, int step)
    {
        var answer = denoiser.Denoise(x, sigma);
        if (!torch.isfinite(answer).all().item<bool>())
            throw new InvalidOperationException($"the denoiser answered with NaN or infinity at step {step + 1} (sigma = {sigma:G4}); check its weights, or that it was trained at this noise level");
        return answer;
    }

    /// <summary>Standard normal noise of the shape of x; each row from its own generator.</summary>
    public static torch.Tensor Noise(torch.Tensor x, torch.Generator[] generators)
    {
        var row = x.shape[1..];
        var rows = generators.Select(g => torch.randn(row, dtype: x.dtype, generator: g)).ToArray();
        return torch.stack(rows).to(x.device);
    }

    public static torch.Generator[] Generators(long seed, long count) =>
        [.. Enumerable.Range(0, checked((int)count)).Select(i => Seeds.Generator(Seeds.Derive(seed, i)))];

    private static torch.Tensor AttachToCurrentScope(this torch.Tensor x)
    {
        // alias() registers the result with the scope that the caller has opened, as any other torch call would.
        using (x) return x.alias();
    }

    private static void CheckLevels(IReadOnlyList<double> sigmas)
    {
        ArgumentNullException.ThrowIfNull(sigmas);
        if (sigmas.Count < 2) throw new ArgumentException($"sigmas must name at least two noise levels, was {sigmas.Count}", nameof(sigmas));
        for (var i = 0; i < sigmas.Count; i++)
        {
            var isLast = i == sigmas.Count - 1;
            if (!double.IsFinite(sigmas[i]) || sigmas[i] < 0 || (sigmas[i] == 0 && !isLast))
                throw new ArgumentException($"sigmas must be positive and finite (only the last may be 0), sigmas[{i}] was {sigmas[i]}", nameof(sigmas));
            if (i > 0 && sigmas[i] >= sigmas[i - 1])
                throw new ArgumentException($"sigmas must decrease strictly, but sigmas[{i}] = {sigmas[i]} follows {sigmas[i - 1]}", nameof(sigmas));
        }
    }
}
