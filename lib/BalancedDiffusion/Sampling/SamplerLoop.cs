using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>The loop that all samplers share: guards, dispose scopes, progress, cancellation, checks of what the denoiser gives.</summary>
internal static class SamplerLoop
{
    /// <summary>Estimates clean samples at a level.</summary>
    public delegate torch.Tensor Estimate(torch.Tensor x, double sigma);

    /// <summary>One step: from x at <c>sigma</c> to a new tensor at <c>next</c>.</summary>
    public delegate torch.Tensor Step(torch.Tensor x, double sigma, double next, Estimate estimate);

    public static torch.Tensor Run(IDenoiser denoiser, torch.Tensor start, IReadOnlyList<double> sigmas, IProgress<int>? progress, CancellationToken cancellation, Step step)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(sigmas);
        Guard.Shape(start, [-1, .. denoiser.SampleShape]);
        if (!start.is_floating_point()) throw new ArgumentException($"start must hold floating-point numbers, was {start.dtype}; convert it first", nameof(start));
        Guard.Finite(start);
        CheckLevels(sigmas);
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var x = start.detach().clone();
        for (var i = 0; i + 1 < sigmas.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            using var inner = torch.NewDisposeScope();
            var number = i + 1;
            var fresh = step(x, sigmas[i], sigmas[i + 1], (at, sigma) => Checked(denoiser.DenoiseAt(at, sigma), at, number, sigmas.Count - 1, sigma));
            x.Dispose();
            x = fresh.MoveToOuterDisposeScope();
            progress?.Report(number);
        }
        return x.MoveToOuterDisposeScope();
    }

    public static void CheckLevels(IReadOnlyList<double> sigmas)
    {
        if (sigmas.Count < 2) throw new ArgumentException($"sigmas must hold at least two noise levels, was {sigmas.Count}; see the noise schedules", nameof(sigmas));
        for (var i = 0; i < sigmas.Count; i++)
        {
            var last = i == sigmas.Count - 1;
            if (!double.IsFinite(sigmas[i]) || sigmas[i] < 0 || (sigmas[i] == 0 && !last))
                throw new ArgumentException($"sigmas must be positive and finite (the last may be 0), was {sigmas[i]} at position {i}", nameof(sigmas));
            if (i > 0 && sigmas[i] >= sigmas[i - 1])
                throw new ArgumentException($"sigmas must decrease, but {sigmas[i]} at position {i} follows {sigmas[i - 1]}; reverse or sort them", nameof(sigmas));
        }
    }

    private static torch.Tensor Checked(torch.Tensor clean, torch.Tensor noisy, int number, int steps, double sigma)
    {
        if (!clean.shape.SequenceEqual(noisy.shape))
            throw new InvalidOperationException($"the denoiser returned shape ({string.Join(", ", clean.shape)}) for ({string.Join(", ", noisy.shape)}) at step {number} of {steps} (sigma = {sigma})");
        if (!torch.isfinite(clean).all().item<bool>())
            throw new InvalidOperationException($"the denoiser returned NaN or infinity at step {number} of {steps} (sigma = {sigma}); check its weights and that it was trained at this noise level");
        return clean;
    }
}
