using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Memorization;

/// <summary>
/// Algorithm 1 of the paper: re-noise the finished sample to a small level, run the model once, and score by how
/// spiky a layer's representation is. It needs neither prompt nor training data. Works with every denoiser that has a
/// named module; the network should be in evaluation mode (<c>eval()</c>).
/// </summary>
/// <example><c>var detector = new SpikinessDetector(model, "relu", sigma: 0.05);</c></example>
public sealed class SpikinessDetector : AveragedDetector
{
    private readonly Func<torch.Tensor, torch.Tensor> representation;

    /// <summary>A detector that reads a module of the denoiser's network.</summary>
    /// <param name="denoiser">The model, under its empty condition. It stays its owner's.</param>
    /// <param name="module">A name of <see cref="ActivationRecorder.ModulesOf"/>, e.g. <c>relu</c> in a
    /// ReLU-DAE.</param>
    /// <param name="sigma">The level to which samples are noised, &gt; 0; small against the data.</param>
    /// <param name="pooling">How the activation becomes (batch, units); null goes by its shape: SpatialMax of images,
    /// TokenMean of tokens, Flatten else.</param>
    /// <param name="measure">What spiky means.</param>
    /// <param name="draws">Over how many draws of the noise the score is averaged, ≥ 1; the paper takes one.</param>
    /// <param name="network">The network that holds the module; null where the denoiser is itself a network.</param>
    /// <exception cref="ArgumentException">There is no such module, or the denoiser is no network and none is
    /// given.</exception>
    /// <exception cref="ArgumentOutOfRangeException">sigma is not positive and finite, draws is below 1, or there is no
    /// such measure or pooling.</exception>
    public SpikinessDetector(
        IDenoiser denoiser,
        string module,
        double sigma,
        Pooling? pooling = null,
        SpikinessMeasure measure = SpikinessMeasure.StandardDeviation,
        int draws = 1,
        torch.nn.Module? network = null
    )
        : base(sigma, draws)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(module);
        CheckMeasure(measure, nameof(measure));
        PoolingExtensions.Check(pooling);
        var holder =
            network
            ?? denoiser.Module
            ?? throw new ArgumentException(
                $"the denoiser {denoiser.GetType().Name} is no network with modules; name the network that it "
                    + "runs, or give a function to the representation",
                nameof(denoiser)
            );
        // Made once for its check of the name, and again for each Score, so that nothing stays hooked.
        new ActivationRecorder(holder, [module]).Dispose();
        (Measure, SampleShape, Models) = (measure, denoiser.SampleShape, [denoiser, network]);
        Name = $"{Short(measure)} of {module}, sigma {DetectorInput.Number(sigma)}";
        representation = noisy =>
        {
            using var recorder = new ActivationRecorder(holder, [module]);
            DetectorInput.Run(() => denoiser.DenoiseAt(noisy, sigma), sigma).Dispose();
            return Representation(recorder.Last(module), noisy.shape[0], pooling, module, sigma);
        };
    }

    /// <summary>A detector that is given the representation.</summary>
    /// <param name="representation">From noisy samples (batch, sampleShape…) to representations (batch, units), e.g.
    /// <c>dae.Encode</c>; what it returns is disposed.</param>
    /// <param name="sampleShape">The shape of one sample.</param>
    /// <param name="sigma">The level to which samples are noised, &gt; 0.</param>
    /// <param name="measure">What spiky means.</param>
    /// <param name="draws">Over how many draws of the noise the score is averaged, ≥ 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">sigma is not positive and finite, draws is below 1, or there is no
    /// such measure.</exception>
    public SpikinessDetector(
        Func<torch.Tensor, torch.Tensor> representation,
        IReadOnlyList<long> sampleShape,
        double sigma,
        SpikinessMeasure measure = SpikinessMeasure.StandardDeviation,
        int draws = 1
    )
        : base(sigma, draws)
    {
        ArgumentNullException.ThrowIfNull(representation);
        ArgumentNullException.ThrowIfNull(sampleShape);
        CheckMeasure(measure, nameof(measure));
        // A method of a network, such as its Encode, knows whose it is.
        (Measure, SampleShape, Models) = (measure, sampleShape, [representation.Target]);
        Name = $"{Short(measure)}, sigma {DetectorInput.Number(sigma)}";
        this.representation = noisy =>
        {
            var h = DetectorInput.Run(() => representation(noisy), sigma);
            return h.dim() == 2 && h.shape[0] == noisy.shape[0]
                ? h
                : throw new InvalidOperationException(
                    $"the representation must have shape ({noisy.shape[0]}, units), was "
                        + $"({string.Join(", ", h.shape)}); pool it first"
                );
        };
    }

    /// <summary>What spiky means.</summary>
    public SpikinessMeasure Measure { get; }

    private protected override IReadOnlyList<long> SampleShape { get; }

    private protected override object?[] Models { get; }

    private protected override Func<torch.Tensor, torch.Tensor> Scorer(long firstIndex, long count) =>
        noisy =>
        {
            var h = representation(noisy);
            CheckFinite(h, Sigma);
            return Spiky(h, Measure);
        };

    /// <summary>A measure must exist.</summary>
    internal static void CheckMeasure(SpikinessMeasure measure, string name)
    {
        if (!Enum.IsDefined(measure))
            throw new ArgumentOutOfRangeException(
                name,
                $"measure must be StandardDeviation, L4OverL2, ParticipationRatio or LargestShare, was {measure}"
            );
    }

    /// <summary>A module's activation as the representation of each sample, (batch, units), checked.</summary>
    internal static torch.Tensor Representation(
        torch.Tensor activation,
        long batch,
        Pooling? pooling,
        string module,
        double sigma
    )
    {
        if (activation.dim() < 2 || activation.shape[0] != batch)
            throw new InvalidOperationException(
                $"the module {Listing.Quoted(module)} gave shape ({string.Join(", ", activation.shape)}) for "
                    + $"{batch} samples, so it has no representation of each; choose another module, and no guidance"
            );
        var h = Pooled(activation, pooling, module);
        CheckFinite(h, sigma);
        return h;
    }

    private static void CheckFinite(torch.Tensor h, double sigma)
    {
        if (!torch.isfinite(h).all().item<bool>())
            throw new InvalidOperationException(
                $"the representation holds NaN or infinity at sigma = {sigma}; check the network's weights"
            );
    }

    private static torch.Tensor Pooled(torch.Tensor activation, Pooling? pooling, string module)
    {
        var how =
            pooling
            ?? activation.dim() switch
            {
                4 => Pooling.SpatialMax,
                3 => Pooling.TokenMean,
                _ => Pooling.Flatten,
            };
        try
        {
            var pooled = how.Apply(activation);
            return pooled.dim() == 2
                ? pooled
                : throw new ArgumentException(
                    $"{how} leaves shape ({string.Join(", ", pooled.shape)}), not (batch, units); choose "
                        + "another pooling"
                );
        }
        catch (ArgumentException e)
        {
            throw new InvalidOperationException(
                $"the output of module {Listing.Quoted(module)} is no representation: "
                    + $"{e.Message.Split(" (Parameter")[0]}",
                e
            );
        }
    }

    internal static torch.Tensor Spiky(torch.Tensor h, SpikinessMeasure measure)
    {
        if (measure == SpikinessMeasure.StandardDeviation)
            return Spikiness.StandardDeviation(h);
        if (measure == SpikinessMeasure.L4OverL2)
            return Spikiness.L4OverL2(h);
        if (measure == SpikinessMeasure.LargestShare)
            return Spikiness.LargestShare(h);
        var active = Spikiness.ParticipationRatio(h);
        return active.masked_fill_(active.eq(0), h.shape[1]).neg();
    }

    private static string Short(SpikinessMeasure measure) =>
        measure switch
        {
            SpikinessMeasure.StandardDeviation => "std",
            SpikinessMeasure.L4OverL2 => "l4/l2",
            SpikinessMeasure.ParticipationRatio => "participation",
            _ => "largest share",
        };
}
