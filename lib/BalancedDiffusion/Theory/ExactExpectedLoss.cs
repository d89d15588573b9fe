using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Theory;

/// <summary>
/// The training objective of a ReLU-DAE with the expectation over the noise taken exactly, <c>Σ_i weight_i E‖W2
/// relu(W1ᵀ(x_i + sigma eps)) - x_i‖² + lambda (‖W1‖² + ‖W2‖²)</c>, weights 1/n unless given: no Monte
/// Carlo. Value and gradient are closed forms in the bivariate normal distribution, float64 throughout. In a tied model
/// the penalty is <c>2 lambda ‖W‖²</c>, as the paper counts. Duplicate, antipodal and zero columns are allowed. A
/// column w_j = 0 never fires, so its encoder derivative is taken as 0, which is torch's convention for relu'(0); the
/// loss there has one-sided derivatives only, unless its decoder column is zero too. Immutable; may be used from
/// several threads.
/// </summary>
public sealed class ExactExpectedLoss : IDisposable
{
    private const double TinyNorm = 1e-150;
    private readonly torch.Tensor samples;
    private readonly double[] weights,
        squares;

    /// <summary>The objective of a training set.</summary>
    /// <param name="samples">Clean samples, (n, d), any floating type; copied.</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <param name="lambda">The penalty, ≥ 0.</param>
    /// <param name="weights">The weight of each sample, ≥ 0 with sum 1 (such as m/n for m duplicates); null for 1/n
    /// each.</param>
    /// <exception cref="ArgumentException">The samples are empty or not finite, or the weights do not fit.</exception>
    /// <exception cref="ArgumentOutOfRangeException">sigma or lambda is out of range.</exception>
    public ExactExpectedLoss(
        torch.Tensor samples,
        double sigma,
        double lambda = 0,
        IReadOnlyList<double>? weights = null
    )
    {
        Guard.Sigma(sigma);
        Guard.NotNegative(lambda);
        using var scope = torch.NewDisposeScope();
        var rows = Float64.Samples(samples, nameof(samples)).clone();
        var count = (int)rows.shape[0];
        if (weights is not null)
        {
            if (weights.Count != count)
                throw new ArgumentException(
                    $"{count} samples need as many weights, was {weights.Count}",
                    nameof(weights)
                );
            foreach (var weight in weights)
                Guard.NotNegative(weight, nameof(weights));
            if (Math.Abs(weights.Sum() - 1) > 1e-9)
                throw new ArgumentException($"weights must sum to 1, was {weights.Sum()}", nameof(weights));
        }
        Sigma = sigma;
        Lambda = lambda;
        this.weights = weights?.ToArray() ?? [.. Enumerable.Repeat(1.0 / count, count)];
        squares = Float64.Array(rows.square().sum(1));
        this.samples = rows.DetachFromDisposeScope();
    }

    /// <summary>The noise level.</summary>
    public double Sigma { get; }

    /// <summary>The penalty on both matrices.</summary>
    public double Lambda { get; }

    /// <summary>n, the number of samples.</summary>
    public int Count => weights.Length;

    /// <summary>d, the length of a sample.</summary>
    public long Dimension => samples.shape[1];

    /// <summary>The clean samples, (n, d), float64. Not to be changed or disposed.</summary>
    public torch.Tensor Samples => samples;

    /// <summary>The weight of each sample; they sum to 1.</summary>
    public IReadOnlyList<double> Weights => weights;

    /// <summary>The loss of the zero model, <c>Σ weight_i ‖x_i‖²</c>: the scale of rounding errors.</summary>
    internal double MeanSquare => weights.Zip(squares, (weight, square) => weight * square).Sum();

    /// <summary>The objective at given weights.</summary>
    /// <param name="encoder">W1ᵀ, (p, d).</param>
    /// <param name="decoder">W2ᵀ, (p, d), or null for a tied model.</param>
    /// <exception cref="ArgumentException">A shape is wrong, or a weight is not finite.</exception>
    public double Value(torch.Tensor encoder, torch.Tensor? decoder = null)
    {
        using var scope = torch.NewDisposeScope();
        return Evaluate(encoder, decoder, gradient: false, perSample: null).Value;
    }

    /// <summary>The objective of a model.</summary>
    public double Value(ReluDae model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return Value(model.Encoder, model.IsTied ? null : model.Decoder);
    }

    /// <summary>The expected squared error <c>E‖f(x_i + sigma eps) - x_i‖²</c> of each sample, without weight or
    /// penalty.</summary>
    /// <param name="encoder">W1ᵀ, (p, d).</param>
    /// <param name="decoder">W2ᵀ, (p, d), or null for a tied model.</param>
    public double[] PerSample(torch.Tensor encoder, torch.Tensor? decoder = null)
    {
        using var scope = torch.NewDisposeScope();
        var losses = new double[Count];
        Evaluate(encoder, decoder, gradient: false, losses);
        return losses;
    }

    /// <summary>The objective and its gradient.</summary>
    /// <param name="encoder">W1ᵀ, (p, d).</param>
    /// <param name="decoder">W2ᵀ, (p, d), or null for a tied model, whose gradient is that of the one
    /// parameter.</param>
    /// <returns>Value and derivatives; the caller disposes them.</returns>
    /// <exception cref="ArgumentException">A shape is wrong, or a weight is not finite.</exception>
    public LossGradient Gradient(torch.Tensor encoder, torch.Tensor? decoder = null)
    {
        using var scope = torch.NewDisposeScope();
        var result = Evaluate(encoder, decoder, gradient: true, perSample: null);
        return new(result.Value, result.Encoder!.MoveToOuterDisposeScope(), result.Decoder?.MoveToOuterDisposeScope());
    }

    /// <inheritdoc/>
    public void Dispose() => samples.Dispose();

    private (double Value, torch.Tensor? Encoder, torch.Tensor? Decoder) Evaluate(
        torch.Tensor encoder,
        torch.Tensor? decoder,
        bool gradient,
        double[]? perSample
    )
    {
        Guard.Shape(encoder, [-1, Dimension]);
        Guard.Finite(encoder);
        var first = Float64.Of(encoder);
        var second = first;
        if (decoder is not null)
        {
            Guard.Shape(decoder, encoder.shape);
            Guard.Finite(decoder);
            second = Float64.Of(decoder);
        }
        int n = Count,
            p = (int)first.shape[0];
        using var noGrad = torch.no_grad();
        var pairs = new Pairs(first, Float64.Array(torch.matmul(second, second.t())), p);
        var means = Float64.Array(torch.matmul(samples, first.t()));
        var pulls = decoder is null ? means : Float64.Array(torch.matmul(samples, second.t()));

        // A fixed number of blocks, whatever the machine, so that sums are taken in the same order everywhere.
        var blocks = Enumerable.Range(0, Math.Min(n, 16)).Select(_ => new Sums(p, gradient)).ToArray();
        double[] byMean = new double[gradient ? n * p : 0],
            activations = new double[gradient ? n * p : 0];
        void Work(int block)
        {
            for (var i = block; i < n; i += blocks.Length)
                AddSample(i, p, pairs, means, pulls, blocks[block], byMean, activations, gradient, perSample);
        }
        if ((long)n * pairs.Active.Length * pairs.Active.Length < 2000)
            for (var b = 0; b < blocks.Length; b++)
                Work(b);
        else
            Parallel.For(0, blocks.Length, Work);

        var total = blocks[0];
        foreach (var block in blocks.AsSpan(1))
            total.Add(block);
        var penalty = Lambda * (first.square().sum().item<double>() + second.square().sum().item<double>());
        var value = total.Value + penalty;
        if (!gradient)
            return (value, null, null);

        var variance = Sigma * Sigma;
        var byEncoder = torch.matmul(Float64.Tensor(byMean, n, p).t(), samples);
        byEncoder += torch.matmul(Float64.Tensor(pairs.CouplingTimesBoth(total.Both, 2 * variance), p, p), first);
        byEncoder += Float64.Tensor([.. total.ByVariance.Select(t => 2 * variance * t)], p, 1) * first;
        byEncoder += 2 * Lambda * first;
        var byDecoder = 2 * torch.matmul(Float64.Tensor(pairs.Symmetric(total.Product), p, p), second);
        byDecoder -= 2 * torch.matmul(Float64.Tensor(activations, n, p).t(), samples);
        byDecoder += 2 * Lambda * second;
        return decoder is null ? (value, byEncoder + byDecoder, null) : (value, byEncoder, byDecoder);
    }

    private void AddSample(
        int i,
        int p,
        Pairs pairs,
        double[] means,
        double[] pulls,
        Sums sums,
        double[] byMean,
        double[] activations,
        bool gradient,
        double[]? perSample
    )
    {
        var weight = weights[i];
        if (weight == 0 && perSample is null)
            return;
        var active = pairs.Active;
        var row = i * p;
        var ratio = new double[active.Length];
        var loss = squares[i];
        for (var s = 0; s < active.Length; s++)
        {
            var j = active[s];
            double std = Sigma * pairs.Norm[j],
                mean = means[row + j],
                a = mean / std,
                coupling = pairs.Coupling[j * p + j],
                pull = pulls[row + j];
            ratio[s] = a;
            double on = StandardNormal.Cumulative(a),
                density = StandardNormal.Density(a);
            var activation = Math.Max(0, mean * on + std * density);
            var square = Math.Max(0, (mean * mean + std * std) * on + mean * std * density);
            loss += coupling * square - 2 * pull * activation;
            if (!gradient)
                continue;
            sums.Product[j * p + j] += weight * square;
            activations[row + j] += weight * activation;
            byMean[row + j] += weight * 2 * (coupling * activation - pull * on);
            sums.ByVariance[j] += weight * (coupling * on - pull * density / std);
        }
        for (var s = 1; s < active.Length; s++)
        {
            var j = active[s];
            var deviationJ = Sigma * pairs.Norm[j];
            for (var t = 0; t < s; t++)
            {
                var k = active[t];
                var deviationK = Sigma * pairs.Norm[k];
                var pair = j * p + k;
                var moments = BivariateNormal.Moments(ratio[s], ratio[t], pairs.Correlation[pair], pairs.Rest[pair]);
                var coupling = pairs.Coupling[pair];
                var product = deviationJ * deviationK * moments.Product;
                loss += 2 * coupling * product;
                if (!gradient)
                    continue;
                sums.Product[pair] += weight * product;
                sums.Both[pair] += weight * moments.Both;
                byMean[row + j] += weight * 2 * coupling * deviationK * moments.GateFirst;
                byMean[row + k] += weight * 2 * coupling * deviationJ * moments.GateSecond;
                sums.ByVariance[j] += weight * coupling * deviationK / deviationJ * moments.EdgeFirst;
                sums.ByVariance[k] += weight * coupling * deviationJ / deviationK * moments.EdgeSecond;
            }
        }
        sums.Value += weight * loss;
        if (perSample is not null)
            perSample[i] = loss;
    }

    /// <summary>What depends on the weights only: norms, correlations and 1 - r² of encoder columns, products of
    /// decoder columns.</summary>
    private sealed class Pairs
    {
        public readonly double[] Norm,
            Correlation,
            Rest,
            Coupling;
        public readonly int[] Active;
        private readonly int p;

        public Pairs(torch.Tensor encoder, double[] coupling, int p)
        {
            this.p = p;
            Coupling = coupling;
            Norm = Float64.Array(encoder.square().sum(1).sqrt());
            Active = [.. Enumerable.Range(0, p).Where(j => Norm[j] > TinyNorm)];
            using var scope = torch.NewDisposeScope();
            var units = encoder / Float64.Tensor([.. Norm.Select(norm => norm > TinyNorm ? norm : 1)], p, 1);
            Correlation = Float64.Array(torch.matmul(units, units.t()));
            Rest = new double[p * p];
            double[]? rows = null;
            var d = (int)encoder.shape[1];
            foreach (var j in Active)
            foreach (var k in Active)
            {
                if (k >= j)
                    break;
                var r = Correlation[j * p + k];
                if (Math.Abs(r) > 0.9)
                {
                    // Near the ends the distance of the unit vectors knows 1 - |r| far better than r itself does.
                    rows ??= Float64.Array(units);
                    double distance = 0,
                        sign = Math.Sign(r);
                    for (var c = 0; c < d; c++)
                    {
                        var difference = rows[j * d + c] - sign * rows[k * d + c];
                        distance += difference * difference;
                    }
                    var gap = distance / 2;
                    Correlation[j * p + k] = sign * (1 - gap);
                    Rest[j * p + k] = gap * (2 - gap);
                }
                else
                    Rest[j * p + k] = (1 - r) * (1 + r);
            }
        }

        /// <summary>coupling ∘ both off the diagonal, both triangles, times a factor.</summary>
        public double[] CouplingTimesBoth(double[] both, double factor)
        {
            var result = new double[p * p];
            for (var j = 0; j < p; j++)
            for (var k = 0; k < j; k++)
                result[j * p + k] = result[k * p + j] = factor * Coupling[j * p + k] * both[j * p + k];
            return result;
        }

        /// <summary>The whole matrix from its lower triangle.</summary>
        public double[] Symmetric(double[] lower)
        {
            var result = new double[p * p];
            for (var j = 0; j < p; j++)
            for (var k = 0; k <= j; k++)
                result[j * p + k] = result[k * p + j] = lower[j * p + k];
            return result;
        }
    }

    private sealed class Sums(int p, bool gradient)
    {
        public double Value;
        public readonly double[] Product = new double[gradient ? p * p : 0],
            Both = new double[gradient ? p * p : 0],
            ByVariance = new double[gradient ? p : 0];

        public void Add(Sums other)
        {
            Value += other.Value;
            foreach (
                var (mine, theirs) in new[]
                {
                    (Product, other.Product),
                    (Both, other.Both),
                    (ByVariance, other.ByVariance),
                }
            )
                for (var i = 0; i < mine.Length; i++)
                    mine[i] += theirs[i];
        }
    }
}
