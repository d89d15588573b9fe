using System.Globalization;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Generation;
using BalancedDiffusion.Memorization;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Sampling;
using TorchSharp;

namespace BalancedDiffusion.Protocols;

/// <summary>
/// How the paper reads and samples from one published model: which layer at which noise level, pooled how, sampled how.
/// It configures what the library has (a <see cref="SpikinessDetector"/>, an <see cref="ISampler"/>) and computes
/// nothing of its own. <see cref="Settings"/> says of every number where it comes from; what the paper's text and the
/// authors' code leave open is ours and says so.
/// </summary>
/// <example><c>var protocol = PretrainedProtocol.Dit(DitOptions.Published("L", 4)); var detector =
/// protocol.Detector(dit, dit.Network);</c></example>
public sealed record PretrainedProtocol
{
    private const string Figure = "the paper, Figure 5",
        Code = "the authors' code",
        Ours = "ours, since the paper's main text and the authors' code do not say",
        Table = "the paper, Table 1";

    private IReadOnlyDictionary<string, ProtocolSetting> Stated { get; init; } =
        new Dictionary<string, ProtocolSetting>();

    private PretrainedProtocol(string name, string data, string layer, double sigma, IReadOnlyList<double> levels) =>
        (Name, Data, Layer, Sigma, Levels) = (name, data, layer, sigma, levels);

    /// <summary>The model.</summary>
    public string Name { get; }

    /// <summary>What it was trained on.</summary>
    public string Data { get; }

    /// <summary>The module that is read, by its published name in the network.</summary>
    public string Layer { get; init; }

    /// <summary>How its activation becomes (batch, units).</summary>
    public Pooling Pooling { get; init; }

    /// <summary>The level to which a finished sample is re-noised, in <c>y = x + sigma eps</c>.</summary>
    public double Sigma { get; init; }

    /// <summary>What the network's timesteps stand for; null for a network that is asked at noise levels.</summary>
    public INoiseSchedule? Schedule { get; private init; }

    /// <summary>The levels of the trajectory.</summary>
    public IReadOnlyList<double> Levels { get; init; }

    /// <summary>The sampler.</summary>
    public ISampler Sampler { get; init; } = new DdimSampler();

    /// <summary>w of classifier-free guidance while sampling; 1 without.</summary>
    public double Guidance { get; init; } = 1;

    /// <summary>Where the standard deviations of memorized samples cluster in the paper's Figure 5; null where it does
    /// not show them.</summary>
    public double? MemorizedMode { get; private init; }

    /// <summary>Where those of generalized samples cluster.</summary>
    public double? GeneralizedMode { get; private init; }

    /// <summary>How many samples of each kind the paper's table is made from.</summary>
    public int SamplesOfEachKind { get; private init; }

    /// <summary>The rows of the paper's Table 1 for this model, the paper's own method last.</summary>
    public IReadOnlyList<PublishedDetection> Published { get; private init; } = [];

    /// <summary>The paper's own row.</summary>
    public PublishedDetection PublishedHere => Published[^1];

    /// <summary>What is set to what, and where each comes from; what was changed since is said to be the
    /// caller's.</summary>
    public IReadOnlyList<ProtocolSetting> Settings =>
        [
            .. Values.Select(v =>
                Stated.TryGetValue(v.Name, out var s) && s.Value == v.Value
                    ? s
                    : new ProtocolSetting(v.Name, v.Value, "set by the caller")
            ),
        ];

    /// <summary>Stable Diffusion v1.4 on LAION. The detector reads timestep 10, as the authors' code does;
    /// <c>AtTimestep(50)</c> reads where the paper says.</summary>
    public static PretrainedProtocol StableDiffusion { get; } = OfStableDiffusion();

    /// <summary>EDM on CIFAR-10, without classes (DDPM++, variance preserving).</summary>
    public static PretrainedProtocol EdmCifar10 { get; } = OfEdm();

    /// <summary>A DiT on ImageNet. The paper's is DiT-L/4, trained by its authors on a part of ImageNet and not
    /// published; DiT-XL/2 is published, and trained on all of it.</summary>
    /// <param name="options">The network's sizes: <c>DitOptions.Published("L", 4)</c> for the paper's.</param>
    public static PretrainedProtocol Dit(DitOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var schedule = new DiscreteLinearSchedule();
        return new PretrainedProtocol(
            "DiT",
            "ImageNet",
            $"blocks.{options.Depth / 2}.mlp.act",
            schedule.Sigma(50),
            schedule.Levels(50)
        )
        {
            Pooling = Pooling.Flatten,
            Schedule = schedule,
            Guidance = 4,
            MemorizedMode = 0.78,
            GeneralizedMode = 0.51,
            SamplesOfEachKind = 500,
            Published =
            [
                new("Ross 2025", false, 0.971, 0.528, 0.031),
                new("std of the representation", false, 0.995, 0.912, 0.015),
            ],
        }.From(
            layer: $"{Ours}: the middle block, as in notebooks 08 and 09",
            pooling: $"{Ours}: all tokens, as in notebooks 08 and 09",
            level: Figure,
            sampler: Ours,
            guidance: "Peebles and Xie 2023, the published sampling"
        );
    }

    /// <summary>The same, reading at another timestep of the network's schedule.</summary>
    /// <param name="timestep">From 0 to the schedule's last.</param>
    /// <exception cref="InvalidOperationException">The network is asked at noise levels and has no timesteps; set
    /// Sigma.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such timestep.</exception>
    public PretrainedProtocol AtTimestep(double timestep) =>
        this with
        {
            Sigma = (
                Schedule
                ?? throw new InvalidOperationException(
                    $"{Name} is asked at noise levels and has no timesteps; set Sigma instead"
                )
            ).Sigma(timestep),
        };

    /// <summary>Algorithm 1 with these settings.</summary>
    /// <param name="denoiser">The model under its empty condition, of latents where the model has an
    /// autoencoder.</param>
    /// <param name="network">The network whose modules have the published names.</param>
    /// <param name="draws">Draws of the noise, ≥ 1; the paper takes one.</param>
    /// <exception cref="ArgumentException">The network has no such layer: it is another model.</exception>
    public SpikinessDetector Detector(IDenoiser denoiser, torch.nn.Module network, int draws = 1) =>
        new(denoiser, Layer, Sigma, Pooling, draws: draws, network: network) { Name = $"std of {Layer}" };

    /// <summary>Generates samples, each from the noise of its own seed, so that an image does not depend on what is
    /// drawn beside it. Where the network's timesteps preserve the variance the start is <c>z ~ N(0, I)</c>, as in the
    /// published implementations.</summary>
    /// <param name="images">What to draw: seeds, and the conditions that <paramref name="condition"/>
    /// understands.</param>
    /// <param name="condition">The denoiser under the conditions of some of the images, in their order; with guidance
    /// where there is any.</param>
    /// <param name="device">Where, the CPU where null.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    /// <returns>(images, SampleShape…), float32. The caller owns them.</returns>
    /// <exception cref="ArgumentException">There is nothing to draw.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public torch.Tensor Draw(
        IReadOnlyList<GeneratedImage> images,
        Func<IReadOnlyList<GeneratedImage>, IDenoiser> condition,
        torch.Device? device = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(condition);
        if (images.Count == 0)
            throw new ArgumentException("images must hold at least one image to draw, was empty", nameof(images));
        using var scope = torch.NewDisposeScope();
        // Injected noise depends on one seed per run.
        var parts =
            IsDeterministic || images.Count == 1
                ? [images]
                : images.Select(image => (IReadOnlyList<GeneratedImage>)[image]);
        return torch
            .cat(
                [
                    .. parts.Select(part =>
                    {
                        var denoiser = condition(part);
                        var scale = Schedule is null ? Levels[0] : 1 / VariancePreserving.SignalScale(Levels[0]);
                        var starts = torch.cat(
                            [
                                .. part.Select(image =>
                                    SamplerExtensions.Starts(denoiser.SampleShape, 1, scale, image.Seed, device)
                                ),
                            ],
                            0
                        );
                        var samples = Sampler.Sample(
                            denoiser,
                            starts,
                            Levels,
                            new SamplingOptions { Seed = part[0].Seed, Cancellation = cancellation }
                        );
                        return Schedule is null ? samples : VariancePreserving.FromExploding(samples, Levels[^1]);
                    }),
                ],
                0
            )
            .MoveToOuterDisposeScope();
    }

    private bool IsDeterministic =>
        Sampler is EulerSampler or DdimSampler { Eta: 0 } or HeunSampler { Churn: 0 } or DpmSolverSampler;

    private IReadOnlyList<(string Name, string Value)> Values =>
        [
            ("layer", Layer),
            ("pooling", Pooling.ToString()),
            (
                "noise level",
                Schedule is null
                    ? $"sigma {Number(Sigma)}"
                    : $"timestep {Number(Schedule.Time(Sigma))}, sigma {Number(Sigma)}"
            ),
            ("condition of the detector", "none"),
            (
                "sampler",
                $"{Sampler.GetType().Name.Replace("Sampler", "", StringComparison.Ordinal)}, {Levels.Count - 1} steps"
            ),
            ("guidance", Number(Guidance)),
            ("samples of each kind", SamplesOfEachKind.ToString(CultureInfo.InvariantCulture)),
        ];

    private PretrainedProtocol From(string layer, string pooling, string level, string sampler, string guidance)
    {
        string[] sources = [layer, pooling, level, Table, sampler, guidance, Table];
        return this with
        {
            Stated = Values
                .Zip(sources, (v, source) => new ProtocolSetting(v.Name, v.Value, source))
                .ToDictionary(s => s.Name),
        };
    }

    private static PretrainedProtocol OfStableDiffusion()
    {
        var schedule = new LatentSchedule();
        return new PretrainedProtocol(
            "Stable Diffusion v1.4",
            "LAION",
            "up_blocks.0.resnets.2.nonlinearity",
            schedule.Noise.Sigma(10),
            schedule.Levels(50)
        )
        {
            Pooling = Pooling.SpatialMax,
            Schedule = schedule.Noise,
            Guidance = 7.5,
            MemorizedMode = 1.19,
            GeneralizedMode = 0.43,
            SamplesOfEachKind = 500,
            Published =
            [
                new("Carlini 2023", true, 0.498, 0.020, 3.724),
                new("Wen 2024", true, 0.986, 0.961, 0.134),
                new("Hintersdorf 2024", true, 0.957, 0.500, 0.009),
                new("Ross 2025", false, 0.956, 0.915, 0.545),
                new("std of the representation", false, 0.987, 0.961, 0.067),
            ],
        }.From(layer: Code, pooling: Code, level: $"{Code}; the paper says 50", sampler: Code, guidance: Code);
    }

    private static PretrainedProtocol OfEdm() =>
        new PretrainedProtocol(
            "EDM",
            "CIFAR-10",
            "model.dec.8x8_block4.silu1",
            0.17,
            new KarrasSchedule(80, 0.002).Levels(18)
        )
        {
            Pooling = Pooling.SpatialMax,
            Sampler = new HeunSampler(),
            SamplesOfEachKind = 100,
            Published =
            [
                new("Ross 2025", false, 0.713, 0.013, 0.071),
                new("std of the representation", false, 0.998, 0.984, 0.020),
            ],
        }.From(
            layer: $"{Ours}: the place in the decoder that is read in Stable Diffusion",
            pooling: $"{Ours}: as in Stable Diffusion",
            level: Figure,
            sampler: "Karras 2022, Table 1",
            guidance: "no classes"
        );

    private static string Number(double value) => value.ToString("G4", CultureInfo.InvariantCulture);
}
