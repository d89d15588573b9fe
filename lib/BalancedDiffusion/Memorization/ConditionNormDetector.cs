using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Memorization;

/// <summary>
/// The norm of the condition's part of the score (Wen et al. 2024): re-noise the sample, and score by how far the
/// condition moves the predicted noise, <c>‖eps(y, c) - eps(y, ∅)‖/√d = ‖f(y, c) - f(y, ∅)‖/(sigma
/// √d)</c>. Higher means more memorized. It needs the condition of each sample, so it exists for models
/// with a condition only; <see cref="NoiseNormDetector"/> is its kin for the others. Wen et al. look along the whole
/// trajectory or at its first step, from the prompt alone; here the finished sample is given, as for every other
/// detector.
/// </summary>
public sealed class ConditionNormDetector : AveragedDetector
{
    private readonly Func<long, long, IDenoiser> conditional;
    private readonly IDenoiser unconditional;

    /// <summary>A detector for a model of any condition.</summary>
    /// <param name="conditional">The denoiser under the conditions of some samples: given the index of the first and
    /// how many.</param>
    /// <param name="unconditional">The denoiser under no condition.</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <param name="draws">Over how many draws of the noise the score is averaged, ≥ 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">sigma is not positive and finite, or draws is below 1.</exception>
    public ConditionNormDetector(
        Func<long, long, IDenoiser> conditional,
        IDenoiser unconditional,
        double sigma,
        int draws = 1
    )
        : base(sigma, draws)
    {
        ArgumentNullException.ThrowIfNull(conditional);
        ArgumentNullException.ThrowIfNull(unconditional);
        (this.conditional, this.unconditional) = (conditional, unconditional);
        Name = $"norm of the condition, sigma {DetectorInput.Number(sigma)}";
    }

    /// <summary>A detector for a model of classes.</summary>
    /// <param name="model">The model. It stays its owner's.</param>
    /// <param name="labels">The class of each sample that will be scored, by its index.</param>
    /// <param name="unconditional">The model under no class.</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <param name="draws">Over how many draws of the noise the score is averaged, ≥ 1.</param>
    /// <exception cref="ArgumentException">The model knows no classes, or none is given.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A class does not exist, sigma is not positive and finite, or draws
    /// is below 1.</exception>
    public ConditionNormDetector(
        IClassDenoiser model,
        IReadOnlyList<long> labels,
        IDenoiser unconditional,
        double sigma,
        int draws = 1
    )
        : this(Under(model, labels), unconditional, sigma, draws) { }

    private protected override IReadOnlyList<long> SampleShape => unconditional.SampleShape;

    private protected override object?[] Models => [unconditional];

    private protected override Func<torch.Tensor, torch.Tensor> Scorer(long firstIndex, long count)
    {
        var conditioned = conditional(firstIndex, count);
        return noisy =>
            DetectorInput.Norm(
                DetectorInput.Estimate(conditioned, noisy, Sigma) - DetectorInput.Estimate(unconditional, noisy, Sigma),
                Sigma
            );
    }

    /// <summary>The model under the classes of some of the samples.</summary>
    internal static Func<long, long, IDenoiser> Under(IClassDenoiser model, IReadOnlyList<long> labels)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(labels);
        if (model.Classes == 0)
            throw new ArgumentException(
                "the model knows no classes, so there is no condition to take the norm of; use NoiseNormDetector",
                nameof(model)
            );
        if (labels.Count == 0)
            throw new ArgumentException("labels must hold the class of each sample, was empty", nameof(labels));
        long[] kept = [.. labels];
        foreach (var label in kept)
            if (label < 0 || label >= model.Classes)
                throw new ArgumentOutOfRangeException(
                    nameof(labels),
                    $"a class must be 0 to {model.Classes - 1}, was {label}"
                );
        return (first, count) =>
            first + count <= kept.Length
                ? Under(model, kept[(int)first..(int)(first + count)])
                : throw new ArgumentException(
                    $"labels are given for samples 0 to {kept.Length - 1}, and sample {first + count - 1} is "
                        + "scored; give the class of each",
                    nameof(labels)
                );
    }

    private static LabelledDenoiser Under(IClassDenoiser model, long[] labels)
    {
        torch.Tensor On(torch.Device device) => torch.tensor(labels, device: device);
        return new LabelledDenoiser(
            model,
            labels.Length,
            (noisy, sigma) => model.Denoise(noisy, sigma, On(noisy.device)),
            (noisy, sigma) => model.DenoiseAt(noisy, sigma, On(noisy.device))
        );
    }
}
