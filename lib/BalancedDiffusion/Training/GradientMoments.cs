using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>Mean and variance of the gradient that a training step sees, over the batches and noises that it may draw,
/// at the weights that the model has.</summary>
public sealed class GradientMoments : IDisposable
{
    private GradientMoments(torch.Tensor mean, double variance, int repeats) =>
        (Mean, Variance, Repeats) = (mean, variance, repeats);

    /// <summary>The mean gradient of all parameters in their order, one after the other, (parameters),
    /// float64.</summary>
    public torch.Tensor Mean { get; }

    /// <summary>The trace of the gradient's covariance, without bias.</summary>
    public double Variance { get; }

    /// <summary>How many steps they were taken over.</summary>
    public int Repeats { get; }

    /// <summary>The standard error of the mean as a vector: the root of <c>E‖Mean - its
    /// expectation‖²</c>.</summary>
    public double MonteCarloError => Math.Sqrt(Variance / Repeats);

    /// <summary>Measures them.</summary>
    /// <typeparam name="TModel">A torch module that denoises.</typeparam>
    /// <param name="model">The model; unchanged.</param>
    /// <param name="data">Clean samples, (n, SampleShape…), of the model's type, on its device.</param>
    /// <param name="options">Batch size, noise, seed, <see cref="TrainingOptions.Gradient"/> and
    /// <see cref="TrainingOptions.NoiseDraws"/>; the other values do not matter.</param>
    /// <param name="repeats">Steps to draw, ≥ 2.</param>
    /// <returns>The moments, which the caller disposes.</returns>
    /// <exception cref="ArgumentException">Model, data and options do not go together.</exception>
    public static GradientMoments Measure<TModel>(
        TModel model,
        torch.Tensor data,
        TrainingOptions options,
        int repeats = 200
    )
        where TModel : torch.nn.Module, IDenoiser
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        Guard.AtLeast(repeats, 2);
        Guard.Shape(data, [-1, .. model.SampleShape]);
        Guard.Finite(data);
        using var scope = torch.NewDisposeScope();
        var parameters = model.parameters().ToArray();
        if (parameters.Length == 0 || parameters[0].dtype != data.dtype)
            throw new ArgumentException(
                $"data must be of the type of the model's weights, was {data.dtype}",
                nameof(data)
            );
        var batches = new NoisyBatches(data.detach().contiguous(), options);
        var plan = GradientPlan.Choose(model, parameters.Length, batches.Size, options);
        using var gradient = BatchGradient.Create(model, model, parameters, batches, null, plan, options);
        var sum = torch.zeros(parameters.Sum(p => p.NumberOfElements), dtype: torch.float64, device: data.device);
        var squares = 0.0;
        for (var step = 0; step < repeats; step++)
        {
            SafePoint.Pass();
            using var inner = torch.NewDisposeScope();
            var found = torch.cat([
                .. gradient.Find(step).Gradients.Zip(parameters, (g, p) => (g ?? torch.zeros_like(p)).reshape(-1)),
            ]);
            using var noGrad = torch.no_grad();
            var exact = found.to_type(torch.float64);
            sum.add_(exact);
            squares += exact.square().sum().item<double>();
        }
        using var still = torch.no_grad();
        var mean = sum.div_(repeats);
        var variance = (squares / repeats - mean.square().sum().item<double>()) * repeats / (repeats - 1);
        return new GradientMoments(mean.DetachFromDisposeScope(), variance, repeats);
    }

    /// <inheritdoc/>
    public void Dispose() => Mean.Dispose();
}
