using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Protocols;

/// <summary>The rule that every measured training obeys: a run that is stopped and gone on with is the one that was
/// never stopped, bit for bit.</summary>
internal static class ResumedRun
{
    /// <summary>Trains a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">How.</param>
    /// <param name="logged">Receives the rows, or null.</param>
    /// <param name="resumed">Whether this is the run that goes on.</param>
    /// <param name="cancellation">Stops it.</param>
    public delegate ValidatedResult Fit<in T>(
        T model,
        TrainingOptions options,
        Action<IReadOnlyList<ValidatedRow>>? logged,
        bool resumed,
        CancellationToken cancellation
    );

    /// <summary>Trains once to the end, once until the first row, and from there to the end, and compares.</summary>
    /// <param name="fresh">A model, the same each time.</param>
    /// <param name="fit">Trains it.</param>
    /// <param name="networks">The networks of a model, all of which the training changes.</param>
    /// <param name="options">How, with a checkpoint.</param>
    public static void IsTheSameBitForBit<T>(
        Func<T> fresh,
        Fit<T> fit,
        Func<T, torch.nn.Module[]> networks,
        TrainingOptions options
    )
        where T : IDisposable
    {
        using T whole = fresh(),
            stopped = fresh(),
            resumed = fresh();
        var once = fit(whole, options with { CheckpointPath = null }, null, false, default);
        using var stop = new CancellationTokenSource();
        var first = fit(stopped, options, _ => stop.Cancel(), false, stop.Token);
        Assert.Equal((true, (long)options.LogEvery), (first.Cancelled, first.StepsDone));
        var second = fit(resumed, options, null, true, default);
        Assert.False(second.Cancelled);
        Assert.Equal(once.History.Select(r => (r.Step, r.Loss)), second.History.Select(r => (r.Step, r.Loss)));
        Assert.Equal(once.History.Select(r => r.Measures), second.History.Select(r => r.Measures));
        foreach (var (one, other) in networks(whole).Zip(networks(resumed)))
            Assert.True(Same(one, other));
        foreach (var (one, other) in networks(whole).Zip(networks(stopped)))
            Assert.False(Same(one, other));
    }

    private static bool Same(torch.nn.Module one, torch.nn.Module other)
    {
        var weights = other.state_dict();
        return one.state_dict()
            .All(w => w.Value.data<float>().ToArray().SequenceEqual(weights[w.Key].data<float>().ToArray()));
    }
}
