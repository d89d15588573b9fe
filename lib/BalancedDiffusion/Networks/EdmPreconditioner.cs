using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Networks;

/// <summary>
/// A <see cref="SongUNet"/> F made a denoiser as in EDM (Karras et al. 2022, Table 1): <c>D(y; sigma) = c_skip y +
/// c_out F(c_in y; ln(sigma)/4)</c> with <c>c_skip = s²/(sigma² + s²)</c>, <c>c_out = sigma s/√(sigma² +
/// s²)</c>, <c>c_in = 1/√(sigma² + s²)</c> and s the standard deviation of the data, so that input and target of F
/// have unit variance at every level. Trained with <c>LossWeighting.Edm(s)</c> and <see cref="Noise.LogNormalSigma"/>
/// it is EDM's training. Its weights are named as in the published state dicts, with the prefix <c>model.</c>
/// </summary>
public sealed class EdmPreconditioner
    : torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor?, torch.Tensor>,
        IClassDenoiser
{
    private readonly SongUNet model;

    /// <summary>A denoiser over a network with freshly drawn weights, in evaluation mode.</summary>
    /// <param name="options">The shape of the network.</param>
    /// <param name="seed">The seed of the weights.</param>
    /// <param name="sigmaData">s, the standard deviation of the data, &gt; 0; EDM takes 0.5 for images in [-1,
    /// 1].</param>
    /// <param name="dtype">float32 (default) or float64.</param>
    /// <exception cref="ArgumentException">The options do not go together.</exception>
    /// <exception cref="ArgumentOutOfRangeException">sigmaData is not positive and finite.</exception>
    public EdmPreconditioner(
        SongUNetOptions options,
        long seed,
        double sigmaData = 0.5,
        torch.ScalarType dtype = torch.ScalarType.Float32
    )
        : this(options, SongUNetInitialization.Draw(options, seed, dtype), sigmaData) { }

    /// <summary>A denoiser over a network with given tensors, by name in the network; it takes them over.</summary>
    internal EdmPreconditioner(SongUNetOptions options, WeightSource weights, double sigmaData)
        : base(nameof(EdmPreconditioner))
    {
        Guard.Positive(sigmaData);
        SigmaData = sigmaData;
        model = new SongUNet(options, weights);
        RegisterComponents();
        eval();
    }

    /// <summary>F, the network inside. Hooks may be put on its named modules.</summary>
    public SongUNet Network => model;

    /// <summary>The shape of the network.</summary>
    public SongUNetOptions Options => model.Options;

    /// <summary>s, the standard deviation of the data.</summary>
    public double SigmaData { get; }

    /// <inheritdoc/>
    public IReadOnlyList<long> SampleShape => [Options.Channels, Options.Resolution, Options.Resolution];

    /// <summary>D(y; sigma, class).</summary>
    /// <param name="noisy">Noisy images, (batch, channels, height, width), of the weights' type, finite.</param>
    /// <param name="sigma">Noise levels, shape () or (batch), all &gt; 0 and finite.</param>
    /// <param name="labels">Class weights, (batch, LabelDim) or (1, LabelDim), one-hot as a rule, zero for no class;
    /// null for an unconditional network.</param>
    /// <returns>Clean images of the shape of <paramref name="noisy"/>, which the caller owns.</returns>
    /// <exception cref="ArgumentException">A shape or type is wrong, noisy is not finite, or labels lack or are too
    /// many.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A noise level is not positive and finite.</exception>
    public override torch.Tensor forward(torch.Tensor noisy, torch.Tensor sigma, torch.Tensor? labels) =>
        Denoise(noisy, NoiseLevels.Of(sigma), labels);

    private torch.Tensor Denoise(torch.Tensor noisy, NoiseLevels sigma, torch.Tensor? labels)
    {
        Guard.Shape(noisy, [-1, .. SampleShape]);
        if (noisy.dtype != model.Type)
            throw new ArgumentException(
                $"noisy must be {model.Type} like the network's weights, was {noisy.dtype}; convert it with "
                    + "noisy.to_type",
                nameof(noisy)
            );
        if (noisy.device_type != model.Device.type)
            throw new ArgumentException(
                $"noisy lies on {noisy.device}, the network on {model.Device}; move one of them",
                nameof(noisy)
            );
        Guard.Finite(noisy);
        using var scope = torch.NewDisposeScope();
        var levels = sigma.Values(noisy);
        model.CheckLabels(labels, noisy.shape[0]);
        var level = NoiseLevels.Column(levels, noisy.device).to_type(noisy.dtype).reshape(-1, 1, 1, 1);
        // hypot does not overflow where the square of a level would.
        var size = level.hypot(torch.full_like(level, SigmaData));
        var raw = model.call(noisy / size, level.log().div(4).flatten(), labels);
        return (
            noisy * size.reciprocal().mul(SigmaData).square() + raw * (level / size * SigmaData)
        ).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">As for <see cref="forward"/>; also where the network has classes: see
    /// <see cref="WithLabels"/> and <see cref="WithoutLabels"/>.</exception>
    public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma) => call(noisy, sigma, null);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">As for <see cref="Denoise(torch.Tensor, torch.Tensor)"/>.</exception>
    public torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma) => LabelledAt(noisy, sigma, null);

    /// <summary>D(y; sigma, class) at one noise level, without recording a gradient.</summary>
    internal torch.Tensor LabelledAt(torch.Tensor noisy, double sigma, torch.Tensor? labels)
    {
        Guard.Sigma(sigma);
        using var noGrad = torch.no_grad();
        return Denoise(noisy, NoiseLevels.Of(sigma), labels);
    }

    /// <inheritdoc/>
    public long Classes => Options.LabelDim;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">As for <see cref="forward"/>; also where labels has another shape or
    /// type.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A class does not exist, or a noise level is not positive and
    /// finite.</exception>
    public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma, torch.Tensor labels)
    {
        using var scope = torch.NewDisposeScope();
        return call(noisy, sigma, OneHot(noisy, labels)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">As for
    /// <see cref="Denoise(torch.Tensor, torch.Tensor, torch.Tensor)"/>.</exception>
    public torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma, torch.Tensor labels)
    {
        using var scope = torch.NewDisposeScope();
        return LabelledAt(noisy, sigma, OneHot(noisy, labels)).MoveToOuterDisposeScope();
    }

    private torch.Tensor OneHot(torch.Tensor noisy, torch.Tensor labels)
    {
        RequireClasses();
        ArgumentNullException.ThrowIfNull(noisy);
        DenoiserInput.Labels(labels, noisy.dim() == 0 ? 1 : noisy.shape[0], Classes);
        return torch.nn.functional.one_hot(labels, Classes).to_type(noisy.dtype);
    }

    /// <summary>This network as the denoiser of given classes. Its weights stay shared.</summary>
    /// <param name="labels">One class for every batch, or one a sample of the batches to come; each 0 to LabelDim -
    /// 1.</param>
    /// <exception cref="ArgumentException">The network has no classes, or none was given.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A class does not exist.</exception>
    public LabelledDenoiser WithLabels(params IReadOnlyList<long> labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        RequireClasses();
        if (labels.Count == 0)
            throw new ArgumentException(
                "labels must name at least one class, was empty; for no class take WithoutLabels",
                nameof(labels)
            );
        foreach (var label in labels)
            if (label < 0 || label >= Options.LabelDim)
                throw new ArgumentOutOfRangeException(
                    nameof(labels),
                    $"a class must be 0 to {Options.LabelDim - 1}, was {label}"
                );
        var rows = new double[labels.Count * Options.LabelDim];
        for (var i = 0; i < labels.Count; i++)
            rows[i * Options.LabelDim + labels[i]] = 1;
        return Under(rows);
    }

    /// <summary>This network as the denoiser of no class: label weights of zero, as in training with label dropout and
    /// in guidance.</summary>
    /// <exception cref="ArgumentException">The network has no classes and needs no such wrapper.</exception>
    public LabelledDenoiser WithoutLabels()
    {
        RequireClasses();
        return Under(new double[Options.LabelDim]);
    }

    /// <summary>This network under rows of class weights, one after another.</summary>
    private LabelledDenoiser Under(double[] rows)
    {
        long count = rows.Length / Options.LabelDim;
        torch.Tensor Labels(torch.Tensor noisy)
        {
            ArgumentNullException.ThrowIfNull(noisy);
            return torch.tensor(rows, [count, Options.LabelDim], dtype: noisy.dtype, device: noisy.device);
        }
        return new LabelledDenoiser(
            this,
            count,
            (noisy, sigma) => call(noisy, sigma, Labels(noisy)),
            (noisy, sigma) => LabelledAt(noisy, sigma, Labels(noisy))
        );
    }

    private void RequireClasses()
    {
        if (Options.LabelDim == 0)
            throw new ArgumentException("the network knows no classes (LabelDim is 0); use it as it is");
    }
}
