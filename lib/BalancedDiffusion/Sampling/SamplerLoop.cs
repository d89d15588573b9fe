using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>The loop that all samplers share: guards, dispose scopes, record, progress, cancellation, checks of what
/// the denoiser gives.</summary>
internal static class SamplerLoop
{
    /// <summary>Integrates along decreasing levels; <paramref name="step"/> takes X from Sigma to Next, in
    /// place.</summary>
    public static torch.Tensor Run(
        IDenoiser denoiser,
        torch.Tensor start,
        IReadOnlyList<double> sigmas,
        SamplingOptions? options,
        Action<SamplerStep> step
    )
    {
        ArgumentNullException.ThrowIfNull(sigmas);
        CheckStart(denoiser, start);
        CheckLevels(sigmas);
        return Integrate(denoiser, start, sigmas, options ?? new SamplingOptions(), step, false);
    }

    /// <summary>The loop alone, over levels that the caller has checked.</summary>
    public static torch.Tensor Integrate(
        IDenoiser denoiser,
        torch.Tensor start,
        IReadOnlyList<double> sigmas,
        SamplingOptions options,
        Action<SamplerStep> step,
        bool denoise
    )
    {
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        options.Record?.Begin(sigmas, options.FirstIndex, start.shape[0]);
        var state = new SamplerStep(denoiser, options, sigmas, start.detach().clone());
        for (var i = 0; i + 1 < sigmas.Count; i++)
        {
            options.Cancellation.ThrowIfCancellationRequested();
            SafePoint.Pass();
            using var inner = torch.NewDisposeScope();
            state.Begin(i);
            step(state);
            options.Progress?.Report(i + 1);
        }
        if (denoise)
            state.X.copy_(state.Estimate(state.X, sigmas[^1]));
        if (!Guard.AllFinite(state.X))
            throw new InvalidOperationException(
                $"the samples are not finite after step {sigmas.Count - 1} of {sigmas.Count - 1} (sigma = "
                    + $"{sigmas[^1]}); take smaller steps"
            );
        options.Record?.End();
        return state.X.MoveToOuterDisposeScope();
    }

    public static void CheckStart(IDenoiser denoiser, torch.Tensor start)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        Guard.Shape(start, [-1, .. denoiser.SampleShape]);
        if (!start.is_floating_point())
            throw new ArgumentException(
                $"start must hold floating-point numbers, was {start.dtype}; convert it first",
                nameof(start)
            );
        Guard.Finite(start);
    }

    public static void CheckLevels(IReadOnlyList<double> sigmas)
    {
        if (sigmas.Count < 2)
            throw new ArgumentException(
                $"sigmas must hold at least two noise levels, was {sigmas.Count}; see the noise schedules",
                nameof(sigmas)
            );
        for (var i = 0; i < sigmas.Count; i++)
        {
            var last = i == sigmas.Count - 1;
            if (!double.IsFinite(sigmas[i]) || sigmas[i] < 0 || (sigmas[i] == 0 && !last))
                throw new ArgumentException(
                    $"sigmas must be positive and finite (the last may be 0), was {sigmas[i]} at position {i}",
                    nameof(sigmas)
                );
            if (i > 0 && sigmas[i] >= sigmas[i - 1])
                throw new ArgumentException(
                    $"sigmas must decrease, but {sigmas[i]} at position {i} follows {sigmas[i - 1]}; reverse "
                        + "or sort them",
                    nameof(sigmas)
                );
        }
    }
}
