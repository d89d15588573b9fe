using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Steering;
using TorchSharp;

namespace BalancedDiffusion.Protocols;

/// <summary>
/// How the authors' code steers (the paper's Equation 11 and Figure 7): several decoder blocks at once, with the mean
/// representation of reference images over all places, added everywhere, in the conditional half of guidance only, and
/// in some of the steps. It configures a <see cref="SteeringDirection"/> and a <see cref="SteeredDenoiser"/> and
/// computes nothing of its own.
/// </summary>
public sealed record SteeringProtocol
{
    private SteeringProtocol(
        IReadOnlyList<string> layers,
        SteeringReferences references,
        IReadOnlyList<double> levels,
        string source
    ) => (Layers, References, Levels, Source) = (layers, references, levels, source);

    /// <summary>The modules that are steered in parallel.</summary>
    public IReadOnlyList<string> Layers { get; init; }

    /// <summary>How the references' representations are taken.</summary>
    public SteeringReferences References { get; init; }

    /// <summary>The levels of the trajectory.</summary>
    public IReadOnlyList<double> Levels { get; init; }

    /// <summary>The sampler.</summary>
    public ISampler Sampler { get; init; } = new DdimSampler();

    /// <summary>The first steered step, from 0.</summary>
    public int FirstStep { get; init; } = 18;

    /// <summary>The last steered step; the two after it belong to the network alone.</summary>
    public int LastStep { get; init; } = 37;

    /// <summary>w of classifier-free guidance.</summary>
    public double Guidance { get; init; } = 3.5;

    /// <summary>The strengths that are shown.</summary>
    public IReadOnlyList<double> Strengths { get; init; } = [0, 0.2, 0.3, 0.4, 0.5];

    /// <summary>Whether the direction is the difference of the means with and without the concept. The authors' code
    /// takes both sets and uses the mean of the first only, which is the default here.</summary>
    public bool Difference { get; init; }

    /// <summary>Where the layers come from; the other numbers are the authors' code.</summary>
    public string Source { get; private init; }

    /// <summary>The steered noise levels.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The trajectory has no such steps.</exception>
    public SteeringWindow Window => SteeringWindow.OfSteps(Levels, FirstStep, LastStep);

    /// <summary>Stable Diffusion v1.4, as the authors' code steers it: five residual blocks of the decoder, references
    /// at timestep 10 under the concept's prompt, 50 of each kind.</summary>
    public static SteeringProtocol StableDiffusion { get; } = OfStableDiffusion();

    /// <summary>The same for a DiT, which the paper does not steer: five blocks of the later half, references at
    /// timestep 10.</summary>
    /// <param name="options">The network's sizes; one of fewer than ten blocks steers its later half.</param>
    public static SteeringProtocol Dit(DitOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var schedule = new DiscreteLinearSchedule();
        var first = options.Depth / 2;
        return new SteeringProtocol(
            [.. Enumerable.Range((int)first, (int)Math.Min(5, options.Depth - first)).Select(i => $"blocks.{i}")],
            new SteeringReferences { Pooling = Pooling.TokenMean, Sigmas = [schedule.Sigma(10)] },
            schedule.Levels(40),
            "ours, by analogy: the paper steers Stable Diffusion only"
        );
    }

    /// <summary>The direction from reference images.</summary>
    /// <param name="denoiser">The model under the concept's condition, which the references were drawn from, or under
    /// none.</param>
    /// <param name="network">The network whose modules have the published names.</param>
    /// <param name="positive">Images that show the concept, (n, SampleShape…); latents where the model has an
    /// autoencoder.</param>
    /// <param name="negative">Images that do not; needed where <see cref="Difference"/> is set, and else left aside as
    /// the authors' code does.</param>
    /// <exception cref="ArgumentException">The difference is wanted and there is no second set, or as for
    /// <see cref="SteeringDirection.FromReferences"/>.</exception>
    public SteeringDirection Direction(
        IDenoiser denoiser,
        torch.nn.Module network,
        torch.Tensor positive,
        torch.Tensor? negative = null
    )
    {
        if (Difference && negative is null)
            throw new ArgumentException(
                "the difference of two means needs images without the concept too; give them, or set "
                    + "Difference to false",
                nameof(negative)
            );
        return SteeringDirection.FromReferences(
            denoiser,
            Layers,
            positive,
            Difference ? negative : null,
            References with
            {
                Network = network,
            }
        );
    }

    /// <summary>The guided denoiser whose conditional half is steered in the window.</summary>
    /// <param name="conditional">The model under the prompt or class.</param>
    /// <param name="unconditional">The model under none.</param>
    /// <param name="network">The network of both.</param>
    /// <param name="direction">The direction, made on that network.</param>
    /// <param name="strength">a, finite.</param>
    public GuidedDenoiser Denoiser(
        IDenoiser conditional,
        IDenoiser unconditional,
        torch.nn.Module network,
        SteeringDirection direction,
        double strength
    ) =>
        new(
            new SteeredDenoiser(
                conditional,
                direction,
                new SteeringOptions
                {
                    Strength = strength,
                    Window = Window,
                    Network = network,
                }
            ),
            unconditional,
            Guidance
        );

    private static SteeringProtocol OfStableDiffusion()
    {
        var schedule = new LatentSchedule();
        return new SteeringProtocol(
            [
                "up_blocks.0.resnets.0",
                "up_blocks.0.resnets.1",
                "up_blocks.0.resnets.2",
                "up_blocks.1.resnets.0",
                "up_blocks.1.resnets.1",
            ],
            new SteeringReferences
            {
                Pooling = Pooling.SpatialMean,
                Sigmas = [schedule.Noise.Sigma(10)],
                BatchSize = 4,
            },
            schedule.Levels(40),
            "the authors' code"
        );
    }
}
