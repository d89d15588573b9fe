using System.Runtime.InteropServices;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Memorization;

/// <summary>What detectors share: checks of samples, noise, checked runs of the model, names.</summary>
internal static class DetectorInput
{
    /// <summary>The checks that stand first in every Score. Where a model is a network, its weights must have the
    /// samples' type and device: torch ends the process over a product of two types.</summary>
    public static void Check(
        torch.Tensor samples,
        IReadOnlyList<long> sampleShape,
        long firstIndex,
        params ReadOnlySpan<object?> models
    )
    {
        Guard.Shape(samples, [-1, .. sampleShape]);
        if (samples.NumberOfElements == 0)
            throw new ArgumentException(
                $"samples are empty, was ({string.Join(", ", samples.shape)}); give at least one sample",
                nameof(samples)
            );
        if (!samples.is_floating_point())
            throw new ArgumentException(
                $"samples must hold floating-point numbers, was {samples.dtype}; convert them first",
                nameof(samples)
            );
        Guard.Finite(samples);
        Guard.AtLeast(firstIndex, 0);
        foreach (var model in models)
        {
            // What asks a network may convert the samples for it, so that only what is a network itself is looked at.
            if ((model as torch.nn.Module)?.parameters().FirstOrDefault(p => p.is_floating_point()) is not { } weight)
                continue;
            if (weight.dtype != samples.dtype)
                throw new ArgumentException(
                    $"samples are {samples.dtype}, the network's weights {weight.dtype}; convert the samples "
                        + "with to_type",
                    nameof(samples)
                );
            if (weight.device_type != samples.device_type)
                throw new ArgumentException(
                    $"samples lie on {samples.device}, the network's weights on {weight.device}; move one of them",
                    nameof(samples)
                );
        }
    }

    /// <summary>Standard normal noise for a batch, of its type and on its device.</summary>
    public static torch.Tensor Noise(torch.Tensor samples, long seed, long firstIndex, long draw) =>
        GaussianNoise.DrawEach(samples.shape, seed, firstIndex, draw, device: samples.device).to_type(samples.dtype);

    /// <summary>The batch re-noised, <c>x + sigma eps</c>.</summary>
    public static torch.Tensor Renoise(torch.Tensor samples, double sigma, long seed, long firstIndex, long draw) =>
        samples.add(Noise(samples, seed, firstIndex, draw), alpha: sigma);

    /// <summary>The model's estimate as float64 rows (batch, d), checked.</summary>
    public static torch.Tensor Estimate(IDenoiser denoiser, torch.Tensor noisy, double sigma)
    {
        var clean = Run(() => denoiser.DenoiseAt(noisy, sigma), sigma);
        if (!clean.shape.SequenceEqual(noisy.shape))
            throw new InvalidOperationException(
                $"the denoiser returned shape ({string.Join(", ", clean.shape)}) for "
                    + $"({string.Join(", ", noisy.shape)}) at sigma = {sigma}"
            );
        if (!Guard.AllFinite(clean))
            throw new InvalidOperationException(
                $"the denoiser returned NaN or infinity at sigma = {sigma}; check its weights and that it was "
                    + "trained at this noise level"
            );
        return Rows(clean);
    }

    /// <summary>Runs the model; what torch itself has to say comes in one sentence.</summary>
    public static torch.Tensor Run(Func<torch.Tensor> model, double sigma)
    {
        try
        {
            return model();
        }
        catch (ExternalException e)
        {
            throw new InvalidOperationException(
                $"the model could not run at sigma = {sigma}: {Sentence.First(e.Message)}",
                e
            );
        }
    }

    /// <summary>A batch as float64 rows (batch, d).</summary>
    public static torch.Tensor Rows(torch.Tensor batch) => batch.to_type(torch.float64).reshape(batch.shape[0], -1);

    /// <summary>The norm of each of these rows in units of the noise, <c>‖row‖/(sigma √d)</c>.</summary>
    public static torch.Tensor Norm(torch.Tensor rows, double sigma) => rows.square().mean([1L]).sqrt().div_(sigma);

    /// <summary>Scores to return: a float64 tensor on the CPU that the caller's scope, not this one's,
    /// holds.</summary>
    public static torch.Tensor ToCaller(torch.Tensor scores) =>
        scores.to_type(torch.float64).cpu().alias().MoveToOuterDisposeScope();

    /// <summary>A number for a name.</summary>
    public static string Number(double value) =>
        value.ToString("G4", System.Globalization.CultureInfo.InvariantCulture);
}
