using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Networks;

/// <summary>
/// A <see cref="Dit"/> as a denoiser of <c>y = x + sigma eps</c>. Either preconditioned for training here (Karras et
/// al. 2022, table 1), <c>f = c_skip y + c_out F(c_in y; ln(sigma)/4)</c>, or a published network that predicts noise
/// under a variance-preserving schedule, <c>f = y - sigma eps(y/sqrt(1 + sigma²); t(sigma))</c>. By itself it gives no
/// label; <see cref="WithLabels"/> does.
/// </summary>
public sealed class DitDenoiser : torch.nn.Module, IClassDenoiser
{
    private readonly Dit network;

    private DitDenoiser(Dit network)
        : base(nameof(DitDenoiser))
    {
        this.network = network;
        RegisterComponents();
    }

    /// <summary>For training here: at every level the network's input has unit variance and so has what it is asked
    /// for. A fresh network makes <c>f = c_skip y</c>, the best linear estimate for independent pixels of standard
    /// deviation sigmaData.</summary>
    /// <param name="network">The network, without a learned variance. The denoiser takes it over: disposing one
    /// disposes both.</param>
    /// <param name="sigmaData">The standard deviation of the data, &gt; 0; 0.5 is Karras's for images in [-1,
    /// 1].</param>
    /// <exception cref="ArgumentException">The network learns a variance.</exception>
    /// <exception cref="ArgumentOutOfRangeException">sigmaData is not positive and finite.</exception>
    public static DitDenoiser Preconditioned(Dit network, double sigmaData = 0.5)
    {
        ArgumentNullException.ThrowIfNull(network);
        Guard.Positive(sigmaData);
        if (network.Options.LearnSigma)
            throw new ArgumentException(
                "the network learns a variance, which this training has no use for; make it with LearnSigma = false",
                nameof(network)
            );
        return new DitDenoiser(network) { SigmaData = sigmaData };
    }

    /// <summary>For a network that predicts noise, as the published ones do. Where it learns a variance, that half of
    /// its output is ignored.</summary>
    /// <param name="network">The network. The denoiser takes it over: disposing one disposes both.</param>
    /// <param name="schedule">What its timesteps stand for; null for the published schedule. A level beyond its ends is
    /// mapped to the timestep at that end.</param>
    public static DitDenoiser NoisePrediction(Dit network, DiscreteLinearSchedule? schedule = null)
    {
        ArgumentNullException.ThrowIfNull(network);
        return new DitDenoiser(network) { Schedule = schedule ?? new DiscreteLinearSchedule() };
    }

    /// <summary>The network; record its modules by their published names.</summary>
    public Dit Network => network;

    /// <summary>The standard deviation of the data where the network is preconditioned, else null.</summary>
    public double? SigmaData { get; private init; }

    /// <summary>The schedule where the network predicts noise, else null.</summary>
    public DiscreteLinearSchedule? Schedule { get; private init; }

    /// <inheritdoc/>
    public IReadOnlyList<long> SampleShape =>
        [network.Options.Channels, network.Options.InputSize, network.Options.InputSize];

    /// <inheritdoc/>
    /// <remarks>Under the empty label where the network has classes. Records a gradient.</remarks>
    public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma) =>
        Denoise(noisy, NoiseLevels.Of(sigma), null, 1, null);

    /// <inheritdoc/>
    /// <remarks>Under the empty label where the network has classes.</remarks>
    public torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma) => DenoiseAt(noisy, sigma, null, 1, null);

    /// <inheritdoc/>
    public long Classes => network.Options.Classes;

    /// <inheritdoc/>
    /// <remarks>In training mode a share <see cref="DitOptions.ClassDropout"/> of the classes is replaced by the empty
    /// label, drawn from torch's global generator, which <see cref="Training.Trainer"/> seeds by the step.</remarks>
    /// <exception cref="ArgumentException">The network has no classes, or noisy or labels has another shape or
    /// type.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A class does not exist, or a noise level is not positive and
    /// finite.</exception>
    public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma, torch.Tensor labels)
    {
        var given = LabelsOf(noisy, labels);
        return Denoise(noisy, NoiseLevels.Of(sigma), given, 1, null);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">As for
    /// <see cref="Denoise(torch.Tensor, torch.Tensor, torch.Tensor)"/>.</exception>
    public torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma, torch.Tensor labels) =>
        DenoiseAt(noisy, sigma, LabelsOf(noisy, labels), 1, null);

    private long[] LabelsOf(torch.Tensor noisy, torch.Tensor labels)
    {
        if (Classes == 0)
            throw new ArgumentException(
                "the network was made without classes (Classes = 0), so it takes no labels",
                nameof(labels)
            );
        ArgumentNullException.ThrowIfNull(noisy);
        DenoiserInput.Labels(labels, noisy.dim() == 0 ? 1 : noisy.shape[0], Classes);
        using var scope = torch.NewDisposeScope();
        var kept = labels.cpu();
        if (training && network.Options.HasEmptyLabel)
            kept = torch.where(
                torch.rand(kept.shape).lt(network.Options.ClassDropout),
                torch.full_like(kept, Classes),
                kept
            );
        return kept.data<long>().ToArray();
    }

    /// <summary>This denoiser under labels, optionally with classifier-free guidance. It uses this one's network, which
    /// must outlive it.</summary>
    /// <param name="labels">One label for all samples, or one a sample of every batch, from 0 to Classes - 1 (Classes
    /// is the empty label).</param>
    /// <param name="guidance">w in <c>f = f_empty + w (f_label - f_empty)</c>, finite: 1 (default) is the labelled
    /// denoiser alone, 0 the empty one; else one run over a doubled batch, see <see cref="Dit.Guided"/>.</param>
    /// <param name="guidedChannels">How many of the first channels are guided; null for all, 3 for the published
    /// samples.</param>
    /// <exception cref="ArgumentException">There is no label, the network has no classes, or guidance is asked for
    /// without an empty label.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public LabelledDenoiser WithLabels(IReadOnlyList<long> labels, double guidance = 1, long? guidedChannels = null)
    {
        ArgumentNullException.ThrowIfNull(labels);
        if (network.Options.Classes == 0)
            throw new ArgumentException(
                "the network was made without classes (Classes = 0), so it takes no labels",
                nameof(labels)
            );
        if (labels.Count == 0)
            throw new ArgumentException("labels must hold at least one label, was empty", nameof(labels));
        if (guidedChannels is { } count && (count < 0 || count > network.Options.Channels))
            throw new ArgumentOutOfRangeException(
                nameof(guidedChannels),
                $"guidedChannels must be from 0 to {network.Options.Channels}, was {count}"
            );
        if (guidance != 1)
            network.CheckGuidance(guidance, guidedChannels);
        long[] kept = [.. labels];
        using (var one = torch.tensor(kept))
            network.Checked(one, kept.Length)!.Dispose();
        return new LabelledDenoiser(
            this,
            kept.Length,
            (noisy, sigma) => Denoise(noisy, NoiseLevels.Of(sigma), kept, guidance, guidedChannels),
            (noisy, sigma) => DenoiseAt(noisy, sigma, kept, guidance, guidedChannels)
        );
    }

    /// <summary>One label for every sample; see <see cref="WithLabels"/>.</summary>
    public LabelledDenoiser WithLabel(long label, double guidance = 1, long? guidedChannels = null) =>
        WithLabels([label], guidance, guidedChannels);

    private torch.Tensor DenoiseAt(
        torch.Tensor noisy,
        double sigma,
        long[]? labels,
        double guidance,
        long? guidedChannels
    )
    {
        Guard.Sigma(sigma);
        using var noGrad = torch.no_grad();
        return Denoise(noisy, NoiseLevels.Of(sigma), labels, guidance, guidedChannels);
    }

    private torch.Tensor Denoise(
        torch.Tensor noisy,
        NoiseLevels sigma,
        long[]? labels,
        double guidance,
        long? guidedChannels
    )
    {
        Guard.Shape(noisy, [-1, .. SampleShape]);
        var batch = noisy.shape[0];
        if (noisy.dtype != network.Type)
            throw new ArgumentException(
                $"noisy must be {network.Type} like the network's weights, was {noisy.dtype}; convert it with "
                    + "noisy.to_type",
                nameof(noisy)
            );
        if (labels is not null && labels.Length != 1 && labels.Length != batch)
            throw new ArgumentException(
                $"noisy must have as many samples as there are labels, {labels.Length}, was {batch}; give one "
                    + "label for all, or batches of that size",
                nameof(noisy)
            );
        using var scope = torch.NewDisposeScope();
        var each = labels is null ? null : torch.tensor(labels).expand(batch).contiguous();
        var levels = sigma.Values(noisy);
        var s = NoiseLevels.Column(levels, batch, noisy.device).reshape(batch, 1, 1, 1);
        torch.Tensor Like(torch.Tensor coefficient) => coefficient.to_type(noisy.dtype);
        if (SigmaData is { } data)
        {
            var total = s.square().add(data * data);
            var output = Predict(noisy * Like(total.rsqrt()), s.log().div(4).flatten(), each, guidance, guidedChannels);
            return (
                noisy * Like(total.reciprocal().mul(data * data)) + output * Like(s.mul(data).mul(total.rsqrt()))
            ).MoveToOuterDisposeScope();
        }
        var times = NoiseLevels.Column(Array.ConvertAll(levels, Schedule!.NearestTime), batch, noisy.device).flatten();
        var noise = Predict(noisy * Like(s.square().add(1).rsqrt()), times, each, guidance, guidedChannels)
            .narrow(1, 0, network.Options.Channels);
        return (noisy - Like(s) * noise).MoveToOuterDisposeScope();
    }

    private torch.Tensor Predict(
        torch.Tensor x,
        torch.Tensor times,
        torch.Tensor? labels,
        double guidance,
        long? guidedChannels
    ) =>
        guidance switch
        {
            _ when labels is null => network.call(x, times, null),
            1 => network.call(x, times, labels),
            0 when guidedChannels is null => network.call(x, times, null),
            _ => network.Guided(x, times, labels, guidance, guidedChannels),
        };
}
