using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;
using TorchSharp.Modules;

namespace BalancedDiffusion.Training;

/// <summary>Any model's gradient by torch's own differentiation.</summary>
internal sealed class DifferentiatedGradient : IBatchGradient
{
    private static readonly Lock GlobalGenerator = new();

    private readonly torch.nn.Module model;
    private readonly IDenoiser denoiser;
    private readonly IReadOnlyList<Parameter> parameters;
    private readonly LossWeighting weighting;
    private readonly NoisyBatches batches;
    private readonly torch.Tensor? labels;
    private readonly torch.Tensor noisy;
    private readonly long globalSeed;

    /// <param name="model">The model.</param>
    /// <param name="denoiser">The same model.</param>
    /// <param name="parameters">What is trained.</param>
    /// <param name="batches">The batches.</param>
    /// <param name="labels">The class of every sample, or null.</param>
    /// <param name="options">The weighting of the loss, and the seed of what the model itself draws.</param>
    public DifferentiatedGradient(
        torch.nn.Module model,
        IDenoiser denoiser,
        IReadOnlyList<Parameter> parameters,
        NoisyBatches batches,
        torch.Tensor? labels,
        TrainingOptions options
    )
    {
        (this.model, this.denoiser, this.parameters) = (model, denoiser, parameters);
        (this.batches, this.labels) = (batches, labels);
        weighting = options.Weighting;
        globalSeed = Seeds.Derive(options.Seed, "model");
        noisy = torch
            .zeros([batches.Size, .. denoiser.SampleShape], dtype: parameters[0].dtype, device: parameters[0].device)
            .DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public (torch.Tensor Loss, IReadOnlyList<torch.Tensor?> Gradients) Find(long step)
    {
        torch.Tensor clean,
            sigma;
        using (torch.no_grad())
            (clean, sigma) = batches.Draw(step, noisy);
        model.zero_grad();
        using (torch.enable_grad())
        {
            var loss = Weighted((DenoiseSeeded(step, sigma) - clean).square(), sigma).mean();
            if (!loss.requires_grad)
                throw new InvalidOperationException(
                    $"{model.GetType().Name}.Denoise records no gradient, so it cannot be trained; "
                        + "compute it without no_grad"
                );
            loss.backward();
            return (loss, [.. parameters.Select(p => p.grad)]);
        }
    }

    /// <summary>The squared errors of a batch, each sample's times the weight of its noise level.</summary>
    private torch.Tensor Weighted(torch.Tensor squares, torch.Tensor sigma)
    {
        if (weighting == LossWeighting.None)
            return squares;
        var ones = Enumerable.Repeat(1L, (int)noisy.dim() - 1);
        return squares * weighting.Of(sigma).view([batches.Size, .. ones]);
    }

    /// <summary>
    /// Layers such as dropout draw from torch's global generator, which all threads share. For the time of one forward
    /// pass it is seeded by the step and then put back, so that runs side by side do not disturb each other. (Only a
    /// thread that draws from the global generator outside of training, e.g. by building layers, at the same instant
    /// still could.)
    /// </summary>
    private torch.Tensor DenoiseSeeded(long step, torch.Tensor sigma)
    {
        lock (GlobalGenerator)
        {
            using var before = torch.get_rng_state();
            try
            {
                torch.manual_seed(Seeds.Derive(globalSeed, step));
                return labels is null
                    ? denoiser.Denoise(noisy, sigma)
                    : ((IClassDenoiser)denoiser).Denoise(noisy, sigma, batches.Pick(labels));
            }
            finally
            {
                torch.set_rng_state(before);
            }
        }
    }

    /// <summary>Takes the gradients off the model.</summary>
    public void Dispose()
    {
        model.zero_grad();
        noisy.Dispose();
    }
}
