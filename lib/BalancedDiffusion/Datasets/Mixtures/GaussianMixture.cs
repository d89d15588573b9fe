using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Datasets.Mixtures;

/// <summary>
/// A mixture of Gaussians <c>Σ_k rho_k N(mu_k, Sigma_k)</c>, the distribution p_gt of the paper's theory, whose noised
/// density, score and posterior mean are closed forms. Everything is computed in float64 on the CPU, in each
/// component's eigenbasis: rank r in d dimensions costs O(d r), never d×d.
/// </summary>
public sealed class GaussianMixture : IDisposable
{
    private readonly GaussianComponent[] components;
    private readonly double[] weights;

    /// <summary>Takes over the components.</summary>
    /// <param name="components">At least one, all of the same dimension; their weights are divided by their
    /// sum.</param>
    /// <exception cref="ArgumentException">There is none, or dimensions differ.</exception>
    public GaussianMixture(params IReadOnlyList<GaussianComponent> components)
    {
        ArgumentNullException.ThrowIfNull(components);
        if (components.Count == 0)
            throw new ArgumentException("a mixture needs at least one component, was given none", nameof(components));
        foreach (var component in components)
            if (component.Dimension != components[0].Dimension)
                throw new ArgumentException(
                    $"components must have one dimension, were {components[0].Dimension} and {component.Dimension}",
                    nameof(components)
                );
        this.components = [.. components];
        var sum = components.Sum(c => c.Weight);
        weights = [.. components.Select(c => c.Weight / sum)];
    }

    /// <summary>
    /// M low-rank modes of equal weight whose means form a regular simplex around the origin: every pair has cosine
    /// exactly <c>-1/(M-1)</c>, the most obtuse that M directions can be, as the theorems ask. Each mode spreads over
    /// its own random r-dimensional subspace.
    /// </summary>
    /// <param name="dimension">d, ≥ max(1, M - 1).</param>
    /// <param name="modes">M, ≥ 1.</param>
    /// <param name="rank">r, 0 to d.</param>
    /// <param name="seed">The seed of the directions.</param>
    /// <param name="meanNorm">The norm of every mean, &gt; 0.</param>
    /// <param name="variance">The variance along each of the r directions, ≥ 0.</param>
    /// <param name="floor">The variance in every direction besides, ≥ 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public static GaussianMixture SeparatedLowRank(
        int dimension,
        int modes,
        int rank,
        long seed,
        double meanNorm = 1,
        double variance = 0.01,
        double floor = 0
    )
    {
        Guard.AtLeast(dimension, 1);
        Guard.AtLeast(modes, 1);
        Guard.AtLeast(rank, 0);
        Guard.Positive(meanNorm);
        Guard.NotNegative(variance);
        Guard.NotNegative(floor);
        if (rank > dimension)
            throw new ArgumentOutOfRangeException(
                nameof(rank),
                $"rank must be at most dimension = {dimension}, was {rank}"
            );
        if (modes - 1 > dimension)
            throw new ArgumentOutOfRangeException(
                nameof(modes),
                $"modes must be at most dimension + 1 = {dimension + 1}, because no more directions can be "
                    + $"obtuse to each other, was {modes}"
            );
        using var scope = torch.NewDisposeScope();
        // Helmert's contrasts are the coordinates of a regular simplex: column k is vertex k, in max(1, M - 1)
        // dimensions.
        var span = Math.Max(1, modes - 1);
        var vertices = new double[span, modes];
        if (modes == 1)
            vertices[0, 0] = 1;
        for (var j = 1; j < modes; j++)
        {
            for (var k = 0; k < j; k++)
                vertices[j - 1, k] = 1 / Math.Sqrt(j * (j + 1.0));
            vertices[j - 1, j] = -j / Math.Sqrt(j * (j + 1.0));
        }
        var means = Frame(dimension, span, Seeds.Derive(seed, "means")).matmul(torch.tensor(vertices)).t();
        means = means / means.norm(1, keepdim: true) * meanNorm;
        return new GaussianMixture([
            .. Enumerable
                .Range(0, modes)
                .Select(k =>
                    GaussianComponent.LowRank(
                        1.0 / modes,
                        means[k],
                        Frame(dimension, rank, Seeds.Derive(Seeds.Derive(seed, "subspace"), k)),
                        torch.full(rank, variance, dtype: torch.float64),
                        floor
                    )
                ),
        ]);
    }

    /// <summary>Random orthonormal columns, (d, r).</summary>
    private static torch.Tensor Frame(long dimension, long rank, long seed)
    {
        if (rank == 0)
            return torch.zeros(dimension, 0, dtype: torch.float64);
        using var generator = Seeds.Generator(seed);
        return torch.linalg.qr(torch.randn([dimension, rank], dtype: torch.float64, generator: generator)).Item1;
    }

    /// <summary>The components, owned by the mixture.</summary>
    public IReadOnlyList<GaussianComponent> Components => components;

    /// <summary>rho, the weights, summing to 1.</summary>
    public IReadOnlyList<double> Weights => weights;

    /// <summary>d.</summary>
    public long Dimension => components[0].Dimension;

    /// <summary>Draws independent samples.</summary>
    /// <param name="count">How many, ≥ 1.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="dtype">float32 (default) or float64.</param>
    /// <returns>Samples (count, d) and labels (count). The caller owns them.</returns>
    /// <exception cref="ArgumentOutOfRangeException">count is below 1.</exception>
    public MixtureDraw Draw(long count, long seed, torch.ScalarType dtype = torch.ScalarType.Float32)
    {
        Guard.AtLeast(count, 1);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var choice = Seeds.Generator(Seeds.Derive(seed, "component"));
        var steps = new double[weights.Length - 1];
        for (var k = 0; k < steps.Length; k++)
            steps[k] = weights[k] + (k > 0 ? steps[k - 1] : 0);
        var uniform = torch.rand([count], dtype: torch.float64, generator: choice);
        var labels = torch.zeros(count, dtype: torch.int64);
        foreach (var step in steps)
            labels.add_(uniform.ge(step).to_type(torch.int64));
        var samples = torch.empty([count, Dimension], dtype: dtype);
        for (var k = 0; k < components.Length; k++)
        {
            using var inner = torch.NewDisposeScope();
            var component = components[k];
            var rows = labels.eq(k).nonzero().flatten();
            if (rows.shape[0] == 0)
                continue;
            using var generator = Seeds.Generator(Seeds.Derive(Seeds.Derive(seed, "sample"), k));
            var drawn = torch
                .randn([rows.shape[0], component.Rank], dtype: torch.float64, generator: generator)
                .mul_(component.Variances.sqrt())
                .matmul(component.Basis.t())
                .add_(component.Mean);
            if (component.Floor > 0)
                drawn.add_(
                    torch
                        .randn([rows.shape[0], Dimension], dtype: torch.float64, generator: generator)
                        .mul_(Math.Sqrt(component.Floor))
                );
            samples.index_copy_(0, rows, drawn.to_type(dtype));
        }
        return new MixtureDraw(samples.MoveToOuterDisposeScope(), labels.MoveToOuterDisposeScope());
    }

    /// <summary>The logarithm of the clean density.</summary>
    /// <param name="x">Points, (batch, d).</param>
    /// <returns>(batch), float64. The caller owns it.</returns>
    /// <exception cref="InvalidOperationException">A covariance is singular, so that there is no density; ask for that
    /// of the noised distribution.</exception>
    /// <exception cref="ArgumentException">The shape is wrong or a number is not finite.</exception>
    public torch.Tensor LogDensity(torch.Tensor x)
    {
        for (var k = 0; k < components.Length; k++)
        {
            var c = components[k];
            if (c.Floor > 0)
                continue;
            using var scope = torch.NewDisposeScope();
            if (c.Rank < c.Dimension || c.Variances.min().item<double>() <= 0)
                throw new InvalidOperationException(
                    $"component {k} has a singular covariance, so the mixture has no density; ask for that of "
                        + "the noised distribution, LogDensity(y, sigma)"
                );
        }
        return Evaluate(x, null, Wish.LogDensity);
    }

    /// <summary>The logarithm of the density of <c>y = x + sigma eps</c>.</summary>
    /// <param name="y">Points, (batch, d).</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <returns>(batch), float64. The caller owns it.</returns>
    public torch.Tensor LogDensity(torch.Tensor y, double sigma) => At(y, sigma, Wish.LogDensity);

    /// <summary>The score of the noised distribution, the gradient of <see cref="LogDensity(torch.Tensor, double)"/>;
    /// Tweedie: <c>(f_gt(y) - y)/sigma²</c>.</summary>
    /// <param name="y">Points, (batch, d).</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <returns>(batch, d), float64. The caller owns it.</returns>
    public torch.Tensor Score(torch.Tensor y, double sigma) => At(y, sigma, Wish.Score);

    /// <summary>The posterior mean E[x | y], f_gt of the paper.</summary>
    /// <param name="y">Noisy samples, (batch, d).</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <returns>(batch, d), float64. The caller owns it.</returns>
    public torch.Tensor PosteriorMean(torch.Tensor y, double sigma) => At(y, sigma, Wish.PosteriorMean);

    /// <summary>The probability that each noisy sample came from each component.</summary>
    /// <param name="y">Noisy samples, (batch, d).</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <returns>(batch, components), float64, rows summing to 1. The caller owns it.</returns>
    public torch.Tensor Responsibilities(torch.Tensor y, double sigma) => At(y, sigma, Wish.Responsibilities);

    /// <summary>The posterior mean with a noise level a sample: variances (batch, 1), float64, checked by the
    /// caller.</summary>
    internal torch.Tensor PosteriorMean(torch.Tensor y, torch.Tensor variance) =>
        Evaluate(y, variance, Wish.PosteriorMean);

    /// <summary>The mean of the mixture, a new (d) tensor.</summary>
    public torch.Tensor Mean()
    {
        using var scope = torch.NewDisposeScope();
        var mean = torch.zeros(Dimension, dtype: torch.float64);
        for (var k = 0; k < components.Length; k++)
            mean.add_(components[k].Mean * weights[k]);
        return mean.MoveToOuterDisposeScope();
    }

    /// <summary>The covariance of the mixture, a new (d, d) tensor.</summary>
    public torch.Tensor Covariance()
    {
        using var scope = torch.NewDisposeScope();
        var moment = torch.zeros(Dimension, Dimension, dtype: torch.float64);
        for (var k = 0; k < components.Length; k++)
            moment.add_(components[k].SecondMoment() * weights[k]);
        var mean = Mean();
        return moment.sub_(mean.outer(mean)).alias().MoveToOuterDisposeScope();
    }

    private enum Wish
    {
        LogDensity,
        Score,
        PosteriorMean,
        Responsibilities,
    }

    private torch.Tensor At(torch.Tensor y, double sigma, Wish wish)
    {
        Guard.Sigma(sigma);
        using var variance = torch.full([1, 1], sigma * sigma, dtype: torch.float64);
        return Evaluate(y, variance, wish);
    }

    private torch.Tensor Evaluate(torch.Tensor points, torch.Tensor? variance, Wish wish)
    {
        Guard.Shape(points, [-1, Dimension]);
        Guard.Finite(points);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var y = points.detach().cpu().to_type(torch.float64);
        variance ??= torch.zeros(1, 1, dtype: torch.float64);
        var logs = torch.stack(
            components.Select((c, k) => LogJoint(c, Math.Log(weights[k]), y, variance)).ToArray(),
            1
        );
        var total = logs.logsumexp(1, keepdim: true);
        if (wish == Wish.LogDensity)
            return total.squeeze(1).MoveToOuterDisposeScope();
        var shares = (logs - total).exp();
        if (wish == Wish.Responsibilities)
            return shares.MoveToOuterDisposeScope();
        var result = torch.zeros_like(y);
        for (var k = 0; k < components.Length; k++)
        {
            using var step = torch.NewDisposeScope();
            var c = components[k];
            var (along, rest) = Split(c, y);
            // Wiener gains in the eigenbasis; for the score, -(Sigma + sigma² I)^-1 (y - mu) directly, which loses
            // nothing for small sigma.
            var part =
                wish == Wish.Score
                    ? (along / (c.Variances + c.Floor + variance)).matmul(c.Basis.t()).neg()
                    : (along * ((c.Variances + c.Floor) / (c.Variances + c.Floor + variance))).matmul(c.Basis.t())
                        + c.Mean;
            if (c.Rank < c.Dimension)
                part =
                    wish == Wish.Score
                        ? part - rest / (variance + c.Floor)
                        : part + rest * (c.Floor / (variance + c.Floor));
            result.add_(part * shares.narrow(1, k, 1));
        }
        return result.MoveToOuterDisposeScope();
    }

    private static (torch.Tensor Along, torch.Tensor Across) Split(GaussianComponent c, torch.Tensor y)
    {
        var centred = y - c.Mean;
        var along = centred.matmul(c.Basis);
        return (along, centred - along.matmul(c.Basis.t()));
    }

    private static torch.Tensor LogJoint(GaussianComponent c, double logWeight, torch.Tensor y, torch.Tensor variance)
    {
        using var scope = torch.NewDisposeScope();
        var (along, rest) = Split(c, y);
        var spread = c.Variances + c.Floor + variance;
        var exponent = (along.square() / spread).sum(1L) + spread.log().sum(1L);
        if (c.Rank < c.Dimension)
        {
            var outside = (variance + c.Floor).squeeze(1);
            exponent = exponent + rest.square().sum(1L) / outside + outside.log() * (c.Dimension - c.Rank);
        }
        return (exponent * -0.5 + (logWeight - 0.5 * c.Dimension * Math.Log(2 * Math.PI))).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var component in components)
            component.Dispose();
    }
}
