using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>Trains denoisers: minimizes the mean squared error <c>E‖f(x + sigma eps; sigma) - x‖²/d</c> over
/// samples, noise and noise levels (Equation 3 of the paper, divided by d), weighted by the noise level where
/// <see cref="TrainingOptions.Weighting"/> says so.</summary>
public static class Trainer
{
    /// <summary>Trains a model in place.</summary>
    /// <typeparam name="TModel">A torch module that denoises. A <see cref="ReluDae"/> takes a path without a graph, see
    /// <see cref="ReluDaeStep"/>.</typeparam>
    /// <param name="model">The model; its parameters that require a gradient are updated in place, on the device they
    /// lie on.</param>
    /// <param name="data">Clean samples, (n, SampleShape…), of the model's type, finite; the caller keeps it.</param>
    /// <param name="options">What to do.</param>
    /// <param name="progress">Receives every new row of the history, or null.</param>
    /// <param name="cancellation">Stops the run between two steps: the result so far is returned, and saved where a
    /// path is given.</param>
    /// <returns>The history and the EMA of the weights; the caller disposes it.</returns>
    /// <exception cref="ArgumentException">Data, model and options do not go together.</exception>
    /// <exception cref="InvalidDataException">The checkpoint at <see cref="TrainingOptions.CheckpointPath"/> is
    /// damaged; the file and the model are untouched.</exception>
    /// <exception cref="InvalidOperationException">That checkpoint belongs to another run; the file and the model are
    /// untouched.</exception>
    /// <exception cref="OperationCanceledException">The host stopped it (<see cref="SafePoint"/>), e.g. a notebook its
    /// cell; it is saved where a path is given.</exception>
    /// <exception cref="TrainingDivergedException">A loss or weight became NaN or infinite; the model is back at its
    /// last finite weights.</exception>
    public static TrainingResult Fit<TModel>(
        TModel model,
        torch.Tensor data,
        TrainingOptions options,
        IProgress<TrainingProgress>? progress = null,
        CancellationToken cancellation = default
    )
        where TModel : torch.nn.Module, IDenoiser
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(options);
        return Work(model, model, data, null, options, progress, cancellation);
    }

    /// <summary>Trains a class-conditional model in place; else as the other overload.</summary>
    /// <typeparam name="TModel">A torch module that denoises samples of known classes.</typeparam>
    /// <param name="model">The model; its parameters that require a gradient are updated in place, on the device they
    /// lie on.</param>
    /// <param name="data">Clean samples, (n, SampleShape…), of the model's type, finite; the caller keeps it.</param>
    /// <param name="labels">The class of every sample, shape (n), int64; the caller keeps it.</param>
    /// <param name="options">What to do.</param>
    /// <param name="progress">Receives every new row of the history, or null.</param>
    /// <param name="cancellation">Stops the run between two steps: the result so far is returned, and saved where a
    /// path is given.</param>
    /// <returns>The history and the EMA of the weights; the caller disposes it.</returns>
    /// <exception cref="ArgumentException">Data, labels, model and options do not go together.</exception>
    /// <exception cref="InvalidDataException">The checkpoint at <see cref="TrainingOptions.CheckpointPath"/> is
    /// damaged; the file and the model are untouched.</exception>
    /// <exception cref="InvalidOperationException">That checkpoint belongs to another run; the file and the model are
    /// untouched.</exception>
    /// <exception cref="OperationCanceledException">The host stopped it (<see cref="SafePoint"/>), e.g. a notebook its
    /// cell; it is saved where a path is given.</exception>
    /// <exception cref="TrainingDivergedException">A loss or weight became NaN or infinite; the model is back at its
    /// last finite weights.</exception>
    public static TrainingResult Fit<TModel>(
        TModel model,
        torch.Tensor data,
        torch.Tensor labels,
        TrainingOptions options,
        IProgress<TrainingProgress>? progress = null,
        CancellationToken cancellation = default
    )
        where TModel : torch.nn.Module, IClassDenoiser
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentNullException.ThrowIfNull(options);
        return Work(model, model, data, labels, options, progress, cancellation);
    }

    private static TrainingResult Work(
        torch.nn.Module model,
        IDenoiser denoiser,
        torch.Tensor data,
        torch.Tensor? labels,
        TrainingOptions options,
        IProgress<TrainingProgress>? progress,
        CancellationToken cancellation
    )
    {
        using var scope = torch.NewDisposeScope();
        var run = new TrainingRun(model, denoiser, data, labels, options);
        run.Resume();
        return run.Work(progress, cancellation);
    }
}
