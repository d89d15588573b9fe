using BalancedDiffusion.Denoisers;
using TorchSharp;
using TorchSharp.Modules;

namespace BalancedDiffusion.Training;

/// <summary>Makes what finds a model's gradients.</summary>
internal static class BatchGradient
{
    /// <summary>Formulas for a ReLU-DAE; torch where a frozen parameter, a weighting or another model asks for the
    /// general way.</summary>
    /// <param name="model">The model.</param>
    /// <param name="denoiser">The same model.</param>
    /// <param name="parameters">What is trained.</param>
    /// <param name="batches">The batches.</param>
    /// <param name="labels">The class of every sample, or null.</param>
    /// <param name="plan">Sampled or projected.</param>
    /// <param name="options">The weighting of the loss, and the seed of what the model itself draws.</param>
    public static IBatchGradient Create(
        torch.nn.Module model,
        IDenoiser denoiser,
        IReadOnlyList<Parameter> parameters,
        NoisyBatches batches,
        torch.Tensor? labels,
        GradientPlan plan,
        TrainingOptions options
    )
    {
        using var noGrad = torch.no_grad();
        if (plan.Estimator == GradientEstimator.Projected)
            return new ProjectedGradient(
                model is ReluDiffusion diffusion
                    ? new ProjectedStep(diffusion, batches.Size, plan.NoiseDraws)
                    : new ProjectedStep((ReluDae)model, batches.Size, plan.NoiseDraws),
                batches
            );
        return
            model is ReluDae dae && parameters.Count == (dae.IsTied ? 1 : 2) && options.Weighting == LossWeighting.None
            ? new SampledGradient(dae, batches)
            : new DifferentiatedGradient(model, denoiser, parameters, batches, labels, options);
    }
}
