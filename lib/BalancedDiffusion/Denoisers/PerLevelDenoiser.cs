using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Denoisers;

/// <summary>
/// A set of denoisers, each made for one noise level, seen as one: the paper's other route to a diffusion model (its
/// Figure 2), a separate ReLU-DAE at every level of the sampler. A level in between is given to the denoiser nearest
/// in <c>log sigma</c>, so sample along <see cref="Levels"/> to use every denoiser at the level that it was trained
/// for.
/// </summary>
public sealed class PerLevelDenoiser : IDenoiser
{
    private readonly IDenoiser[] denoisers;
    private readonly double[] levels,
        logLevels;

    /// <summary>Puts denoisers together.</summary>
    /// <param name="denoisers">Denoisers and the level each is made for, in any order; levels &gt; 0, finite and
    /// different; all of one sample shape. They stay the caller's.</param>
    /// <exception cref="ArgumentException">There is none, two have one level, or their sample shapes
    /// differ.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A level is not positive and finite.</exception>
    public PerLevelDenoiser(params IReadOnlyList<(double Sigma, IDenoiser Denoiser)> denoisers)
    {
        ArgumentNullException.ThrowIfNull(denoisers);
        if (denoisers.Count == 0)
            throw new ArgumentException("denoisers must hold at least one denoiser, was empty", nameof(denoisers));
        foreach (var (sigma, denoiser) in denoisers)
        {
            Guard.Sigma(sigma);
            ArgumentNullException.ThrowIfNull(denoiser);
        }
        var ordered = denoisers.OrderByDescending(r => r.Sigma).ToArray();
        (this.denoisers, levels) = ([.. ordered.Select(r => r.Denoiser)], [.. ordered.Select(r => r.Sigma)]);
        for (var i = 1; i < levels.Length; i++)
            if (levels[i] == levels[i - 1])
                throw new ArgumentException(
                    $"two denoisers have the level {levels[i]}; give every level once",
                    nameof(denoisers)
                );
        foreach (var denoiser in this.denoisers)
            if (!denoiser.SampleShape.SequenceEqual(this.denoisers[0].SampleShape))
                throw new ArgumentException(
                    "the denoisers must have one sample shape, had "
                        + $"({string.Join(", ", this.denoisers[0].SampleShape)}) and "
                        + $"({string.Join(", ", denoiser.SampleShape)})",
                    nameof(denoisers)
                );
        logLevels = [.. levels.Select(level => Math.Log(level))];
    }

    /// <summary>The levels, falling.</summary>
    public IReadOnlyList<double> Levels => levels;

    /// <inheritdoc/>
    public IReadOnlyList<long> SampleShape => denoisers[0].SampleShape;

    /// <summary>The denoiser that is used at a level: the nearest in log sigma.</summary>
    /// <param name="sigma">The level, &gt; 0 and finite.</param>
    public IDenoiser At(double sigma) => denoisers[Nearest(sigma)];

    /// <inheritdoc/>
    public torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma)
    {
        Guard.Sigma(sigma);
        ArgumentNullException.ThrowIfNull(noisy);
        return At(NoiseLevels.Rounded(sigma, noisy.dtype)).DenoiseAt(noisy, sigma);
    }

    private int Nearest(double sigma)
    {
        Guard.Sigma(sigma);
        var log = Math.Log(sigma);
        var best = 0;
        for (var i = 1; i < logLevels.Length; i++)
            if (Math.Abs(logLevels[i] - log) < Math.Abs(logLevels[best] - log))
                best = i;
        return best;
    }

    /// <inheritdoc/>
    public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma)
    {
        ArgumentNullException.ThrowIfNull(noisy);
        ArgumentNullException.ThrowIfNull(sigma);
        using var scope = torch.NewDisposeScope();
        var values = sigma.detach().to_type(torch.ScalarType.Float64).cpu().reshape(-1).data<double>().ToArray();
        if (values.Length != 1 && values.Length != noisy.shape[0])
            throw new ArgumentException(
                $"sigma must be a scalar or have one level for each of the {noisy.shape[0]} samples, had "
                    + $"{values.Length}",
                nameof(sigma)
            );
        var chosen = values.Select(Nearest).ToArray();
        if (chosen.Distinct().Count() == 1)
            return denoisers[chosen[0]].Denoise(noisy, sigma).MoveToOuterDisposeScope();
        var result = torch.empty_like(noisy);
        foreach (var group in Enumerable.Range(0, chosen.Length).GroupBy(i => chosen[i]))
        {
            var rows = torch.tensor(group.Select(i => (long)i).ToArray(), device: noisy.device);
            result.index_copy_(
                0,
                rows,
                denoisers[group.Key]
                    .Denoise(noisy.index_select(0, rows), sigma.reshape(-1).index_select(0, rows.to(sigma.device)))
            );
        }
        return result.MoveToOuterDisposeScope();
    }
}
