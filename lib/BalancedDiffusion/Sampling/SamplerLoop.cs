using System.Diagnostics;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>The loop that all samplers share: guards, dispose scopes, record, progress, cancellation, checks of what
/// the denoiser gives.</summary>
internal static class SamplerLoop
{
    // A look for NaN passes over the batch, which for a small network is a twentieth of a step. So it is done when this
    // many steps or this much time have gone by since the last; where it finds something, those steps are taken again,
    // each checked by itself, to name the one.
    private const int StepsBetweenChecks = 8;
    private static readonly TimeSpan TimeBetweenChecks = TimeSpan.FromMilliseconds(20);

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
        var sinceCheck = Stopwatch.StartNew();
        for (var i = 0; i < state.Count; i++)
        {
            options.Cancellation.ThrowIfCancellationRequested();
            SafePoint.Pass();
            if (i == 0 || i == state.Kept + StepsBetweenChecks || sinceCheck.Elapsed >= TimeBetweenChecks)
            {
                Check(state, step, i);
                state.Keep(i);
                sinceCheck.Restart();
            }
            TakeStep(state, step, i);
            options.Progress?.Report(i + 1);
        }
        Check(state, step, state.Count);
        if (denoise)
        {
            state.IsChecking = true;
            state.X.copy_(state.Estimate(state.X, sigmas[^1]));
        }
        options.Record?.End();
        return state.X.MoveToOuterDisposeScope();
    }

    private static void TakeStep(SamplerStep state, Action<SamplerStep> step, int index)
    {
        using var scope = torch.NewDisposeScope();
        state.Begin(index);
        try
        {
            step(state);
        }
        catch (InvalidOperationException) when (!state.IsChecking)
        {
            // A denoiser that looks at its input itself may stop a step or more after what was wrong.
            TakeAgain(state, step, index + 1);
            throw;
        }
    }

    /// <summary>Throws where the samples before this step are not finite.</summary>
    private static void Check(SamplerStep state, Action<SamplerStep> step, int next)
    {
        if (next == state.Kept || Guard.AllFinite(state.X))
            return;
        TakeAgain(state, step, next);
        throw new InvalidOperationException(
            $"the samples are not finite between step {state.Kept + 1} and step {next} of {state.Count}, but were when "
                + "these were taken again; check that the denoiser gives the same outputs for the same inputs"
        );
    }

    /// <summary>Takes the steps since the last check again, each checked.</summary>
    private static void TakeAgain(SamplerStep state, Action<SamplerStep> step, int next)
    {
        state.IsChecking = true;
        state.GoBack();
        for (var i = state.Kept; i < next; i++)
        {
            TakeStep(state, step, i);
            if (!Guard.AllFinite(state.X))
                throw new InvalidOperationException(
                    $"the samples are not finite after step {i + 1} of {state.Count} (sigma = {state.Next}); take "
                        + "smaller steps"
                );
        }
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
