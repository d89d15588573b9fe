using System.Text.Json.Nodes;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Networks.StableDiffusion;

/// <summary>
/// The noise of Stable Diffusion v1 and the timesteps of its samplers: a <see cref="ScaledLinearSchedule"/>, of which
/// DDIM takes every (N/steps)-th timestep from <see cref="StepsOffset"/> on, and ends at the level of timestep 0, which
/// is not quite zero.
/// </summary>
public sealed record LatentSchedule
{
    private const string What = "the noise schedule of a Stable Diffusion v1";
    private static readonly string[] Required = ["beta_start", "beta_end", "beta_schedule", "num_train_timesteps"];

    /// <summary>The levels of the timesteps.</summary>
    public ScaledLinearSchedule Noise
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(Noise));
            field = value;
        }
    } = new();

    /// <summary>The least timestep of a run, ≥ 0.</summary>
    public int StepsOffset
    {
        get;
        init
        {
            Guard.AtLeast(value, 0, nameof(StepsOffset));
            field = value;
        }
    } = 1;

    /// <summary>Whether a run ends without noise (<c>set_alpha_to_one</c>) or, as published, at the level of timestep
    /// 0.</summary>
    public bool EndsAtZero { get; init; }

    /// <summary>Reads the <c>scheduler_config.json</c> of a diffusers folder <c>scheduler</c>.</summary>
    /// <param name="json">The text.</param>
    /// <exception cref="InvalidDataException">It is no config of the schedule of Stable Diffusion v1; the message says
    /// why, and names a model that predicts velocity as one.</exception>
    public static LatentSchedule FromConfig(string json) =>
        ModelConfig.Read(
            json,
            What,
            Required,
            config =>
            {
                if (config.Word("prediction_type") is { } predicted and not "epsilon")
                    throw new InvalidDataException(
                        $"the config asks for a network that predicts '{predicted}', as Stable Diffusion v2 "
                            + "does, and only v1, which predicts noise (epsilon), is computed here; take a v1 "
                            + "model, such as v1.4"
                    );
                foreach (
                    var (key, value) in new[]
                    {
                        ("beta_schedule", "\"scaled_linear\""),
                        ("clip_sample", "false"),
                        ("thresholding", "false"),
                        ("timestep_spacing", "\"leading\""),
                        ("rescale_betas_zero_snr", "false"),
                    }
                )
                    config.Only(key, value);
                if (config.IsList("trained_betas"))
                    throw config.Refusal("'trained_betas' must be null here, was a list");
                return new LatentSchedule
                {
                    Noise = new ScaledLinearSchedule(
                        config.Number("beta_start", 0),
                        config.Number("beta_end", 0),
                        checked((int)config.Whole("num_train_timesteps"))
                    ),
                    StepsOffset = checked((int)config.Whole("steps_offset")),
                    EndsAtZero = config.Flag("set_alpha_to_one", true),
                };
            }
        );

    /// <summary>The config that <see cref="FromConfig"/> reads back.</summary>
    public string ToConfig() =>
        new JsonObject
        {
            ["beta_start"] = Noise.BetaStart,
            ["beta_end"] = Noise.BetaEnd,
            ["beta_schedule"] = "scaled_linear",
            ["num_train_timesteps"] = Noise.Count,
            ["steps_offset"] = StepsOffset,
            ["set_alpha_to_one"] = EndsAtZero,
            ["clip_sample"] = false,
            ["prediction_type"] = "epsilon",
            ["timestep_spacing"] = "leading",
        }.ToJsonString();

    /// <summary>The share of the signal's variance that a timestep leaves, <c>alphaBar</c>.</summary>
    /// <param name="timestep">0 to N - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such timestep.</exception>
    public double AlphaBar(int timestep) => Noise.AlphaBar(timestep);

    /// <summary>The timesteps of a run, falling: the multiples of N/steps, rounded down, below N, plus the
    /// offset.</summary>
    /// <param name="steps">How many, ≥ 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are not so many.</exception>
    public IReadOnlyList<int> Timesteps(int steps)
    {
        Guard.AtLeast(steps, 1);
        var stride = Noise.Count / steps;
        if (stride == 0 || (steps - 1) * stride + StepsOffset >= Noise.Count)
            throw new ArgumentOutOfRangeException(
                nameof(steps),
                $"steps must leave the greatest timestep below {Noise.Count} with an offset of {StepsOffset}, "
                    + $"was {steps}; take fewer"
            );
        return [.. Enumerable.Range(0, steps).Select(i => (steps - 1 - i) * stride + StepsOffset)];
    }

    /// <summary>The levels of a run for a sampler: those of <see cref="Timesteps"/>, then that of timestep 0, or 0
    /// where it <see cref="EndsAtZero"/>.</summary>
    /// <param name="steps">How many steps, ≥ 1.</param>
    /// <returns>Strictly decreasing levels of <c>y = x + sigma eps</c>.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There are not so many timesteps.</exception>
    public IReadOnlyList<double> Levels(int steps)
    {
        IReadOnlyList<int> times = [.. Timesteps(steps).Where(t => t > 0 || EndsAtZero)];
        return [.. times.Select(t => Noise.Sigma(t)), EndsAtZero ? 0 : Noise.Sigma(0)];
    }

    /// <summary>Noisy latents in the variance-preserving notation, <c>z = sqrt(alphaBar) x + sqrt(1 - alphaBar)
    /// eps</c>.</summary>
    /// <param name="clean">x, (batch, …), floating point.</param>
    /// <param name="noise">eps, the same shape and type.</param>
    /// <param name="timesteps">A timestep for each row.</param>
    /// <returns>z, which the caller owns.</returns>
    /// <exception cref="ArgumentException">The shapes differ, or there are not as many timesteps as rows.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such timestep.</exception>
    public torch.Tensor AddNoise(torch.Tensor clean, torch.Tensor noise, params IReadOnlyList<int> timesteps) =>
        Noise.AddNoise(clean, noise, timesteps);
}
