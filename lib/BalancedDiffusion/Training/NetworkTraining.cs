using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>A <see cref="TrainingLoop"/> over all weights of some networks. They are in training mode and their weights
/// require gradients for the time of the run only; what measures them and what looks at them finds them in evaluation
/// mode.</summary>
/// <param name="networks">The networks, each with what comes before the names of its weights.</param>
/// <param name="options">As for the loop.</param>
/// <param name="identity">As for the loop.</param>
internal sealed class NetworkTraining(
    IReadOnlyList<(string Prefix, torch.nn.Module Network)> networks,
    TrainingOptions options,
    IReadOnlyDictionary<string, string> identity
)
{
    private static readonly TimeSpan UsualInterval = TimeSpan.FromMinutes(20);

    /// <summary>As in the loop.</summary>
    public Action<IReadOnlyList<ValidatedRow>>? Logged { get; init; }

    /// <summary>As in the loop.</summary>
    public Action<long>? Preview { get; init; }

    /// <summary>The least time between two previews; null for 20 minutes.</summary>
    public TimeSpan? PreviewInterval { get; init; }

    /// <summary>As in the loop.</summary>
    public Func<long, bool>? IsAlsoLogged { get; init; }

    /// <summary>Trains to the end or until cancelled, see <see cref="TrainingLoop.Run"/>.</summary>
    public ValidatedResult Run(
        Func<long, torch.Tensor> loss,
        Func<IReadOnlyDictionary<string, double>> measure,
        CancellationToken cancellation
    )
    {
        (string Name, torch.Tensor Value)[] parameters =
        [
            .. networks.SelectMany(n =>
                n.Network.named_parameters().Select(p => (n.Prefix + p.name, (torch.Tensor)p.parameter))
            ),
        ];
        foreach (var (_, value) in parameters)
            value.requires_grad_(true);
        SetMode(training: true);
        try
        {
            return new TrainingLoop(parameters, options, identity)
            {
                Logged = Logged,
                Preview = Preview is { } show ? step => Evaluating(() => Shown(show, step)) : null,
                PreviewInterval = PreviewInterval ?? UsualInterval,
                IsAlsoLogged = IsAlsoLogged,
            }.Run(loss, () => Evaluating(measure), cancellation);
        }
        finally
        {
            foreach (var (_, value) in parameters)
                value.requires_grad_(false);
            SetMode(training: false);
        }
    }

    private static bool Shown(Action<long> show, long step)
    {
        show(step);
        return true;
    }

    private T Evaluating<T>(Func<T> look)
    {
        SetMode(training: false);
        try
        {
            return look();
        }
        finally
        {
            SetMode(training: true);
        }
    }

    private void SetMode(bool training)
    {
        foreach (var (_, network) in networks)
            network.train(training);
    }
}
