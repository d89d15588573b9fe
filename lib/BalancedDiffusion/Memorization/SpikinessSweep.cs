using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Memorization;

/// <summary>
/// Algorithm 1 in every layer, at every noise level and with every measure: in which layers and at which sigma is the
/// signature strongest? One run of the model a level serves all layers and measures. The best cell is chosen on its
/// samples: judge the choice on fresh ones.
/// </summary>
public static class SpikinessSweep
{
    /// <summary>Scores samples in all cells.</summary>
    /// <param name="denoiser">The model, a network with named modules, in evaluation mode.</param>
    /// <param name="modules">At least one name of <see cref="ActivationRecorder.ModulesOf"/>.</param>
    /// <param name="sigmas">At least one noise level, each &gt; 0.</param>
    /// <param name="samples">Finished samples, (n, SampleShape…), floating point, finite, on the model's device; at
    /// least one.</param>
    /// <param name="seed">The seed of the noise: that of <see cref="AveragedDetector.Score"/>, whose scores these
    /// are.</param>
    /// <param name="measures">What spiky means; null for the standard deviation alone.</param>
    /// <param name="pooling">How an activation becomes (batch, units); null goes by its shape, as in
    /// <see cref="SpikinessDetector"/>.</param>
    /// <param name="batch">How many samples are scored at once, ≥ 1. It changes times, not scores.</param>
    /// <param name="cancellation">Stops between two runs of the model.</param>
    /// <returns>modules · sigmas · measures cells: the levels of a module together, the measures of a level
    /// together.</returns>
    /// <exception cref="ArgumentException">A list is empty, a module does not exist, the denoiser is no network, or the
    /// samples do not fit.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range, or there is no such measure or
    /// pooling.</exception>
    /// <exception cref="InvalidOperationException">The model cannot run on the samples, or a module gives no
    /// representation of each.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static IReadOnlyList<SweepCell> Run(
        IDenoiser denoiser,
        IReadOnlyList<string> modules,
        IReadOnlyList<double> sigmas,
        torch.Tensor samples,
        long seed,
        IReadOnlyList<SpikinessMeasure>? measures = null,
        Pooling? pooling = null,
        int batch = 64,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(modules);
        ArgumentNullException.ThrowIfNull(sigmas);
        Guard.AtLeast(batch, 1);
        measures ??= [SpikinessMeasure.StandardDeviation];
        if (measures.Count == 0)
            throw new ArgumentException(
                "measures must name at least one measure, was empty; null is the standard deviation",
                nameof(measures)
            );
        if (sigmas.Count == 0)
            throw new ArgumentException("sigmas must hold at least one noise level, was empty", nameof(sigmas));
        foreach (var sigma in sigmas)
            Guard.Sigma(sigma);
        foreach (var measure in measures)
            SpikinessDetector.CheckMeasure(measure, nameof(measures));
        PoolingExtensions.Check(pooling);
        if (denoiser.Module is not { } network)
            throw new ArgumentException(
                $"the denoiser {denoiser.GetType().Name} is no network with modules",
                nameof(denoiser)
            );
        DetectorInput.Check(samples, denoiser.SampleShape, 0, denoiser);
        using var recorder = new ActivationRecorder(network, modules);
        var count = samples.shape[0];
        var scores = modules
            .Select(_ => sigmas.Select(_ => measures.Select(_ => new double[count]).ToArray()).ToArray())
            .ToArray();
        using var noGrad = torch.no_grad();
        for (var level = 0; level < sigmas.Count; level++)
        for (var offset = 0L; offset < count; offset += batch)
        {
            cancellation.ThrowIfCancellationRequested();
            SafePoint.Pass();
            using var scope = torch.NewDisposeScope();
            var part = samples.narrow(0, offset, Math.Min(batch, count - offset));
            var sigma = sigmas[level];
            DetectorInput
                .Run(() => denoiser.DenoiseAt(DetectorInput.Renoise(part, sigma, seed, offset, 0), sigma), sigma)
                .Dispose();
            for (var module = 0; module < modules.Count; module++)
            {
                var h = SpikinessDetector.Representation(
                    recorder.Last(modules[module]),
                    part.shape[0],
                    pooling,
                    modules[module],
                    sigma
                );
                for (var m = 0; m < measures.Count; m++)
                    SpikinessDetector
                        .Spiky(h, measures[m])
                        .cpu()
                        .data<double>()
                        .ToArray()
                        .CopyTo(scores[module][level][m], offset);
            }
        }
        return
        [
            .. modules.SelectMany(
                (module, i) =>
                    sigmas.SelectMany(
                        (sigma, j) =>
                            measures.Select((measure, m) => new SweepCell(module, sigma, measure, scores[i][j][m]))
                    )
            ),
        ];
    }
}
