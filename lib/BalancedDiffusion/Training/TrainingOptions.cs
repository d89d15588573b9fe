using System.Globalization;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Training;

/// <summary>
/// What a training run does. Every value is checked when it is set. See <see cref="TrainingRecipes"/> for ready-made
/// ones, which <c>with { … }</c> adapts.
/// </summary>
public sealed record TrainingOptions
{
    /// <summary>The number of updates, ≥ 1.</summary>
    public int Steps
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(Steps));
            field = value;
        }
    } = 2500;

    /// <summary>Samples a step, drawn with replacement (may exceed the number of samples); 0 takes every sample once,
    /// in order, at every step.</summary>
    public int BatchSize
    {
        get;
        init
        {
            Guard.AtLeast(value, 0, nameof(BatchSize));
            field = value;
        }
    }

    /// <summary>The update rule.</summary>
    public OptimizerOptions Optimizer
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(Optimizer));
            field = value;
        }
    } = OptimizerOptions.Adam();

    /// <summary>The learning rate, &gt; 0: the greatest one of the schedule.</summary>
    public double LearningRate
    {
        get;
        init
        {
            Guard.Positive(value, nameof(LearningRate));
            field = value;
        }
    } = 1e-3;

    /// <summary>How the rate moves over the run.</summary>
    public LearningRateSchedule Schedule
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(Schedule));
            field = value;
        }
    } = LearningRateSchedule.Constant;

    /// <summary>The pull of the weights towards zero.</summary>
    public Regularization Regularization
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(Regularization));
            field = value;
        }
    } = Regularization.None;

    /// <summary>The distribution of the noise levels; a new level per sample and step. Give a record, so that its text
    /// names its bounds.</summary>
    public ISigmaDistribution Noise
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(Noise));
            field = value;
        }
    } = new FixedSigma(0.2);

    /// <summary>How much the error of a sample counts by its noise level.</summary>
    public LossWeighting Weighting
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(Weighting));
            field = value;
        }
    } = LossWeighting.None;

    /// <summary>How the gradient of a ReLU-DAE is estimated.</summary>
    public GradientEstimator Gradient
    {
        get;
        init
        {
            if (!Enum.IsDefined(value))
                throw new ArgumentOutOfRangeException(
                    nameof(Gradient),
                    $"Gradient must be Automatic, Sampled or Projected, was {value}"
                );
            field = value;
        }
    } = GradientEstimator.Automatic;

    /// <summary>Noises that are drawn for a sample in a step: 1, or an even number of which one half is the other's
    /// negative; or null for 1. More than one needs
    /// <see cref="GradientEstimator.Projected"/>, which Automatic then takes.</summary>
    public int? NoiseDraws
    {
        get;
        init
        {
            if (value is { } draws)
                ProjectedStep.CheckDraws(draws, nameof(NoiseDraws));
            field = value;
        }
    }

    /// <summary>The seed of batches, noise levels and noise. Those of step k depend on the seed and on k
    /// only.</summary>
    public long Seed { get; init; }

    /// <summary>The decay of the weights' EMA per step, in (0, 1), or null for none.</summary>
    public double? EmaDecay
    {
        get;
        init
        {
            if (value is { } decay && !(decay > 0 && decay < 1))
                throw new ArgumentOutOfRangeException(
                    nameof(EmaDecay),
                    $"EmaDecay must be above 0 and below 1, or null, was {decay}"
                );
            field = value;
        }
    }

    /// <summary>The greatest norm of the gradient over all parameters, before weight decay, &gt; 0; or null for no
    /// clipping.</summary>
    public double? GradientClip
    {
        get;
        init
        {
            if (value is { } norm)
                Guard.Positive(norm, nameof(GradientClip));
            field = value;
        }
    }

    /// <summary>Steps between two rows of the history, ≥ 1; the last step always has one.</summary>
    public int LogEvery
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(LogEvery));
            field = value;
        }
    } = 100;

    /// <summary>The file (<c>.safetensors</c>) that the run is saved to, or null. Where it exists, the run goes on from
    /// it.</summary>
    public string? CheckpointPath
    {
        get;
        init
        {
            if (value is not null && string.IsNullOrWhiteSpace(value))
                throw new ArgumentException(
                    "CheckpointPath must name a file, or be null, was blank",
                    nameof(CheckpointPath)
                );
            field = value;
        }
    }

    /// <summary>Steps between two checkpoints; 0 saves at the end and when cancelled only.</summary>
    public int CheckpointEvery
    {
        get;
        init
        {
            Guard.AtLeast(value, 0, nameof(CheckpointEvery));
            field = value;
        }
    }

    /// <summary>Whether an existing checkpoint is gone on from (the default) or started over and written
    /// anew.</summary>
    public bool Resume { get; init; } = true;

    /// <summary>What decides the numbers of a run, by name: a checkpoint is gone on from only where all of it
    /// agrees.</summary>
    internal IReadOnlyDictionary<string, string> Identity()
    {
        var text = new Dictionary<string, string>
        {
            ["batch size"] = FormattableString.Invariant($"{BatchSize}"),
            ["optimizer"] = Optimizer.ToString(),
            ["learning rate"] = FormattableString.Invariant($"{LearningRate:R}"),
            ["schedule"] = Schedule.ToString(),
            ["regularization"] = Regularization.ToString(),
            ["noise"] = InvariantText(Noise),
            ["seed"] = FormattableString.Invariant($"{Seed}"),
            ["EMA decay"] = EmaDecay is { } decay ? FormattableString.Invariant($"{decay:R}") : "none",
            ["gradient clip"] = GradientClip is { } clip ? FormattableString.Invariant($"{clip:R}") : "none",
        };
        // Not named where there is none, so that checkpoints from before there was one still fit.
        if (Weighting != LossWeighting.None)
            text["loss weighting"] = Weighting.ToString();
        if (Schedule.DependsOnLength)
            text["steps"] = FormattableString.Invariant($"{Steps}");
        return text;
    }

    // A record prints its numbers in the current culture, which differs between machines and, in a notebook, between
    // sessions.
    private static string InvariantText(ISigmaDistribution noise)
    {
        var culture = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
            return noise.ToString() ?? noise.GetType().Name;
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
    }
}
