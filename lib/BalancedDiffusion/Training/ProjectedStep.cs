using System.Numerics;
using System.Runtime.CompilerServices;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>
/// Loss and gradient of a ReLU-DAE with the noise drawn where the loss sees it, in the p pre-activations, instead of
/// the d entries of a sample. With clean rows X (batch, d), encoder rows <c>W</c> and decoder rows <c>V</c> (p, d):
/// <code>
/// M = X Wᵀ,   G = W Wᵀ = L Lᵀ,   N = σ Z Lᵀ with Z (batch, p) standard normal,   H = relu(M + N)
/// ‖H V - X‖² = H ∘ (H Gᵥ - 2 X Vᵀ) + ‖X‖² with Gᵥ = V Vᵀ
/// D = H Gᵥ - X Vᵀ,   Δ = D ∘ 1[M + N &gt; 0]
/// dV = c ((HᵀH) V - HᵀX),   dW = c (ΔᵀX + (σ ΔᵀZ L⁻¹) W),   c = 2/(batch · d)
/// </code>
/// <para>
/// This is the expectation of the plain step's gradient (<see cref="ReluDaeStep"/>) given the pre-activations: the
/// noise E of a sample enters through <c>N = σ E Wᵀ</c> alone, and <c>E[σ E | N] = N G⁻¹ W = σ Z L⁻¹ W</c>.
/// So its expectation is the same and its variance is not larger (Rao–Blackwell). Several noises may be drawn for
/// each sample, in pairs Z and -Z; they share the two products with X, which are most of the work. Where G is singular
/// see <see cref="Jitter"/>.
/// </para>
/// <para>
/// For the time-conditioned <see cref="ReluDiffusion"/>, <c>f = U W + s y</c> with <c>U = H ∘ g(σ)</c>, the same
/// holds with <c>D = U G - (1 - s) M + s N</c>; what the skip connection adds to the loss, <c>2 s N ∘ U + (1 -
/// s)²‖X‖² + s² σ² d</c>, has the expectation over what N leaves open taken exactly.
/// </para>
/// </summary>
public sealed class ProjectedStep : IDisposable
{
    private readonly OwnedTensors owned = new();
    private readonly NoiseFactor factor;
    private readonly ReluDiffusion? diffusion;
    private readonly string[] names = [];
    private readonly long batch,
        units,
        dimension;
    private readonly int pairs,
        draws,
        encoderPlace;
    private readonly double scale;
    private readonly bool tied,
        isPlain;

    // Rows of weights and clean samples lie in one matrix, [W; X] or [W; X; V], so that what is multiplied by both is
    // one product; so do the factors that they are multiplied by for the gradients.
    private readonly torch.Tensor encoder,
        encoderT,
        encoderRows,
        withEncoder,
        gram,
        means,
        encoderProducts;
    private readonly torch.Tensor decoder,
        decoderT,
        decoderRows,
        withDecoder,
        gramDecoder,
        meansDecoder,
        decoderProducts;
    private readonly torch.Tensor normalsT,
        inverseT,
        noise,
        hidden,
        fed,
        fedT,
        reconstructed,
        delta,
        normalsDelta;
    private readonly torch.Tensor encoderFactorsT,
        encoderFactorsOfWeights,
        encoderFactorsOfSamples;
    private readonly torch.Tensor decoderFactorsT,
        decoderFactorsOfWeights,
        decoderFactorsOfSamples;

    /// <summary>Buffers for a plain ReLU-DAE, tied or not.</summary>
    /// <param name="model">The model; its weights are read live, so that an update in place is seen by the next
    /// step.</param>
    /// <param name="batchSize">Samples a step, ≥ 1.</param>
    /// <param name="noiseDraws">Noises a sample: 1, or an even number, of which one half is the other's
    /// negative.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public ProjectedStep(ReluDae model, long batchSize, int noiseDraws = 1)
        : this(NotNull(model).Encoder, model.IsTied ? null : model.Decoder, false, batchSize, noiseDraws) =>
        Gradients = tied ? [Empty(units, dimension)] : [Empty(units, dimension), Empty(units, dimension)];

    /// <summary>Buffers for a time-conditioned ReLU-DAE; else as the other constructor.</summary>
    /// <param name="model">The model; its weights are read live.</param>
    /// <param name="batchSize">Samples a step, ≥ 1.</param>
    /// <param name="noiseDraws">Noises a sample: 1, or an even number.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public ProjectedStep(ReluDiffusion model, long batchSize, int noiseDraws = 1)
        : this(NotNull(model).Encoder, null, true, batchSize, noiseDraws)
    {
        diffusion = model;
        var parameters = model.named_parameters().ToArray();
        names = [.. parameters.Select(p => p.name)];
        encoderPlace = Array.IndexOf(names, "encoder.weight");
        Gradients = [.. parameters.Select(p => Own(torch.zeros_like(p.parameter)))];
    }

    private ProjectedStep(torch.Tensor encoder, torch.Tensor? decoder, bool hasGains, long batchSize, int noiseDraws)
    {
        Guard.AtLeast(batchSize, 1);
        CheckDraws(noiseDraws);
        using var noGrad = torch.no_grad();
        (units, dimension) = (encoder.shape[0], encoder.shape[1]);
        (batch, draws, pairs) = (batchSize, noiseDraws, Math.Max(1, noiseDraws / 2));
        scale = 2.0 / ((double)batch * dimension * draws);
        tied = decoder is null;
        this.encoder = Own(encoder.detach());
        encoderT = Own(this.encoder.t());
        this.decoder = tied ? this.encoder : Own(decoder!.detach());
        decoderT = Own(this.decoder.t());

        var rows = Empty(units + batch + (tied ? 0 : units), dimension);
        encoderRows = Rows(rows, 0, units);
        Clean = Rows(rows, units, batch);
        decoderRows = tied ? encoderRows : Rows(rows, units + batch, units);
        withEncoder = Rows(rows, 0, units + batch);
        withDecoder = tied ? withEncoder : Rows(rows, units, batch + units);
        encoderProducts = Empty(units + batch, units);
        gram = Rows(encoderProducts, 0, units);
        means = Rows(encoderProducts, units, batch);
        decoderProducts = tied ? encoderProducts : Empty(batch + units, units);
        meansDecoder = tied ? means : Rows(decoderProducts, 0, batch);
        gramDecoder = tied ? gram : Rows(decoderProducts, batch, units);

        factor = new NoiseFactor(units, encoder.dtype, encoder.device);
        inverseT = Own(factor.Inverse.t());
        Normals = Empty(pairs * batch, units);
        normalsT = Own(Normals.t());
        noise = Empty(pairs * batch, units);
        hidden = Empty(draws * batch, units);
        fed = hasGains ? Empty(draws * batch, units) : hidden;
        fedT = Own(fed.t());
        reconstructed = Empty(draws * batch, units);
        delta = Empty(pairs * batch, units);
        normalsDelta = Empty(units, units);

        var factors = Empty(units + batch, units);
        encoderFactorsT = Own(factors.t());
        encoderFactorsOfWeights = Rows(factors, 0, units);
        encoderFactorsOfSamples = Rows(factors, units, batch);
        factors = tied ? factors : Empty(batch + units, units);
        decoderFactorsT = tied ? encoderFactorsT : Own(factors.t());
        decoderFactorsOfSamples = tied ? encoderFactorsOfSamples : Rows(factors, 0, batch);
        decoderFactorsOfWeights = tied ? encoderFactorsOfWeights : Rows(factors, batch, units);
        isPlain = hidden.IsPlain() && !hasGains;
    }

    /// <summary>The buffer (batch, d) that the caller fills with clean samples before <see cref="Compute"/>, which
    /// leaves it as it is.</summary>
    public torch.Tensor Clean { get; }

    /// <summary>The buffer that the caller fills before <see cref="Compute"/> with standard normal numbers, each row
    /// times the noise level of its sample: (batch, p) for one noise or one pair a sample, else (pairs · batch, p),
    /// the first of all samples, then the second of all, and so on.</summary>
    public torch.Tensor Normals { get; }

    /// <summary>The gradients of the mean squared error after <see cref="Compute"/>, in the order of the model's
    /// parameters. They belong to this object and are overwritten by the next step.</summary>
    public IReadOnlyList<torch.Tensor> Gradients { get; } = [];

    /// <summary>The jitter δ of the last step: the noises of two units had the correlation r/(1 + δ) where their
    /// weights have r, so that G could be factored although rows vanish or coincide. The variance of each is exact.
    /// 1e-6 in float32 and 1e-12 in float64, ten times as much where that does not suffice, up to 1e-2.</summary>
    public double Jitter => factor.Jitter;

    /// <summary>Throws where a number of noises a sample is neither 1 nor even.</summary>
    internal static void CheckDraws(int noiseDraws, [CallerArgumentExpression(nameof(noiseDraws))] string? name = null)
    {
        if (noiseDraws < 1 || noiseDraws > 1 && noiseDraws % 2 == 1)
            throw new ArgumentOutOfRangeException(
                name,
                $"{name} must be 1, or even (pairs of a noise and its negative), was {noiseDraws}"
            );
    }

    /// <summary>Computes loss and gradients for the samples in <see cref="Clean"/> and the noise in
    /// <see cref="Normals"/>.</summary>
    /// <param name="squares">The squared norm <c>‖x‖²</c> of each clean sample, (batch).</param>
    /// <param name="sigma">The noise level of each sample, (batch); only a time-conditioned model reads it.</param>
    /// <returns>The mean squared error over all entries, a scalar tensor that the caller owns: in expectation that of
    /// the plain step.</returns>
    /// <exception cref="ArgumentException">A shape is wrong, or a time-conditioned model is given no sigma.</exception>
    public torch.Tensor Compute(torch.Tensor squares, torch.Tensor? sigma = null)
    {
        Guard.Shape(squares, [batch]);
        if (diffusion is not null)
            Guard.Shape(sigma!, [batch], nameof(sigma));
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        MultiplyByWeights();
        var loss =
            diffusion is not null ? TimeConditioned(diffusion, squares, sigma!)
            : isPlain ? InOnePass(squares)
            : InWholeTensors(squares);
        MultiplyByRows();
        return loss.MoveToOuterDisposeScope();
    }

    /// <summary>Gram matrices and mean pre-activations by one product, the square root of G, and the noise.</summary>
    private void MultiplyByWeights()
    {
        encoderRows.copy_(encoder);
        encoderProducts.addmm_(withEncoder, encoderT, beta: 0, alpha: 1);
        if (!tied)
        {
            decoderRows.copy_(decoder);
            decoderProducts.addmm_(withDecoder, decoderT, beta: 0, alpha: 1);
        }
        factor.Update(gram);
        noise.addmm_(Normals, factor.RootT, beta: 0, alpha: 1);
    }

    /// <summary>The gradients from the factors of weights and of samples, by one product for each matrix.</summary>
    private void MultiplyByRows()
    {
        decoderFactorsOfWeights.addmm_(fedT, fed, beta: 0, alpha: 1).mul_(scale);
        normalsDelta.addmm_(normalsT, delta, beta: 0, alpha: 1).mul_(scale);
        encoderFactorsOfWeights.addmm_(inverseT, normalsDelta, beta: tied ? 1 : 0, alpha: 1);
        Gradients[encoderPlace].addmm_(encoderFactorsT, withEncoder, beta: 0, alpha: 1);
        if (!tied)
            Gradients[1].addmm_(decoderFactorsT, withDecoder, beta: 0, alpha: 1);
    }

    private torch.Tensor InOnePass(torch.Tensor squares)
    {
        var total = hidden.dtype == torch.float32 ? InOnePass<float>() : InOnePass<double>();
        return torch.tensor(
            (total / draws + squares.sum(torch.float64).item<double>()) / ((double)batch * dimension),
            dtype: hidden.dtype
        );
    }

    private double InOnePass<T>()
        where T : unmanaged, INumber<T>
    {
        var shape = new ProjectedPasses.Shape((int)batch, (int)units, pairs, draws > 1);
        ProjectedPasses.Activate(shape, means.Numbers<T>(), noise.Numbers<T>(), hidden.Numbers<T>());
        reconstructed.addmm_(hidden, gramDecoder, beta: 0, alpha: 1);
        return ProjectedPasses.Differentiate(
            shape,
            hidden.Numbers<T>(),
            reconstructed.Numbers<T>(),
            meansDecoder.Numbers<T>(),
            delta.Numbers<T>(),
            encoderFactorsOfSamples.Numbers<T>(),
            tied ? [] : decoderFactorsOfSamples.Numbers<T>(),
            T.CreateChecked(scale)
        );
    }

    private torch.Tensor InWholeTensors(torch.Tensor squares) =>
        ByTensors(null, 0, squares.sum(torch.float64), torch.zeros([], dtype: torch.float64)).Loss;

    /// <summary>The parameters of the gains get their gradient from torch's differentiation, by way of that of the
    /// gains.</summary>
    private torch.Tensor TimeConditioned(ReluDiffusion model, torch.Tensor squares, torch.Tensor sigma)
    {
        var skip = model.Skip.to_type(torch.float64).item<double>();
        torch.Tensor gains;
        using (torch.enable_grad())
            gains = model.Gains(sigma);
        var noisePower = sigma.to_type(torch.float64).square().sum() * dimension;
        var (loss, byGains, bySkip) = ByTensors(gains.detach(), skip, squares.sum(torch.float64), noisePower);
        var others = model.named_parameters().Where(p => p.name is not ("encoder.weight" or "skip")).ToArray();
        var found = torch.autograd.grad([gains], [.. others.Select(p => p.parameter)], [byGains]);
        Gradients[Array.IndexOf(names, "skip")].copy_(bySkip);
        foreach (var (parameter, gradient) in others.Zip(found))
            Gradients[Array.IndexOf(names, parameter.name)].copy_(gradient);
        return loss;
    }

    /// <summary>What lies between the products, by torch's operations.</summary>
    /// <param name="gains">g, (batch, p), or null for one.</param>
    /// <param name="skip">s.</param>
    /// <param name="power"><c>Σ ‖x‖²</c> over the batch.</param>
    /// <param name="noisePower"><c>Σ σ² d</c> over the batch.</param>
    /// <returns>The loss, and its derivatives by gains and skip.</returns>
    private (torch.Tensor Loss, torch.Tensor ByGains, torch.Tensor BySkip) ByTensors(
        torch.Tensor? gains,
        double skip,
        torch.Tensor power,
        torch.Tensor noisePower
    )
    {
        torch.Tensor PerDraw(torch.Tensor rows) => rows.view(draws, batch, units);
        var half = noise.view(pairs, batch, units);
        var noises = draws > 1 ? torch.cat([half, -half]) : half;
        var activation = means + noises;
        var h = PerDraw(hidden).copy_(activation.relu());
        var u = gains is null ? h : PerDraw(fed).copy_(h * gains);
        reconstructed.addmm_(fed, gramDecoder, beta: 0, alpha: 1);
        var error = PerDraw(reconstructed) - (1 - skip) * meansDecoder + skip * noises;
        var perUnit = error - (1 - skip) * meansDecoder + skip * noises;
        var loss =
            (u * perUnit).sum(torch.float64) / draws + (1 - skip) * (1 - skip) * power + skip * skip * noisePower;
        var d = (gains is null ? error : error * gains) * (h > 0);
        var withSkip = d + skip * u;
        delta
            .view(pairs, batch, units)
            .copy_(draws > 1 ? withSkip.narrow(0, 0, pairs) - withSkip.narrow(0, pairs, pairs) : withSkip);
        var ofEncoder = d.sum(0L).mul_(scale);
        var ofDecoder = u.sum(0L).mul_(-scale * (1 - skip));
        encoderFactorsOfSamples.copy_(tied ? ofEncoder + ofDecoder : ofEncoder);
        if (!tied)
            decoderFactorsOfSamples.copy_(ofDecoder);
        var bySkip = (u * activation).sum(torch.float64) + draws * (skip * noisePower - (1 - skip) * power);
        return (
            (loss / ((double)batch * dimension)).to_type(hidden.dtype),
            (error * h).sum(0L).mul_(scale),
            bySkip * scale
        );
    }

    private static T NotNull<T>(T model)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(model);
        return model;
    }

    private torch.Tensor Own(torch.Tensor tensor) => owned.Add(tensor);

    private torch.Tensor Empty(long rows, long columns) =>
        Own(torch.zeros([rows, columns], dtype: encoder.dtype, device: encoder.device));

    private torch.Tensor Rows(torch.Tensor of, long first, long count) => Own(of.narrow(0, first, count));

    /// <inheritdoc/>
    public void Dispose()
    {
        owned.Dispose();
        factor.Dispose();
    }
}
