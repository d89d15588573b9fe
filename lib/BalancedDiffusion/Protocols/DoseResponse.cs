using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Steering;
using MathNet.Numerics.Statistics;
using TorchSharp;

namespace BalancedDiffusion.Protocols;

/// <summary>
/// The same samples, from the same starts, steered at rising strengths, and what an attribute regressor reads in them.
/// The paper shows such strips; this counts: does the attribute rise with every step (Spearman), or in one
/// jump; what else changes (leakage); how far the picture moves.
/// </summary>
public sealed class DoseResponse : IDisposable
{
    private readonly double[,,] readings;
    private readonly double[,] moved,
        steps;
    private readonly int zero;

    private DoseResponse(
        IReadOnlyList<double> strengths,
        IReadOnlyList<string> attributes,
        torch.Tensor images,
        double[,,] readings,
        double[,] moved,
        double[,] steps,
        int zero
    ) =>
        (Strengths, Attributes, Images, this.readings, this.moved, this.steps, this.zero) = (
            strengths,
            attributes,
            images,
            readings,
            moved,
            steps,
            zero
        );

    /// <summary>The strengths, ascending; 0 is one of them.</summary>
    public IReadOnlyList<double> Strengths { get; }

    /// <summary>What the regressor reads.</summary>
    public IReadOnlyList<string> Attributes { get; }

    /// <summary>The samples, (strengths, count, SampleShape…); they live as long as this does.</summary>
    public torch.Tensor Images { get; }

    /// <summary>How many samples there are at each strength.</summary>
    public int Count => moved.GetLength(1);

    /// <summary>The unsteered samples, (count, SampleShape…). The caller owns the view.</summary>
    public torch.Tensor Unsteered => Images[zero];

    /// <summary>Generates the samples at every strength.</summary>
    /// <param name="denoiser">The network, or what asks it, with <see cref="SteeringOptions.Network"/> given.</param>
    /// <param name="direction">The direction.</param>
    /// <param name="strengths">At least three, strictly ascending, 0 among them.</param>
    /// <param name="starts">Noisy starts at the first level, (count, SampleShape…), count ≥ 1, the same for every
    /// strength; what is above the steering window may have been integrated before. The caller keeps them.</param>
    /// <param name="sampler">The sampler; deterministic or not, all strengths meet the same noise.</param>
    /// <param name="sigmas">Its levels, at least two, strictly decreasing.</param>
    /// <param name="regressor">Reads the attributes.</param>
    /// <param name="sampling">Seed, batches, progress (over all strengths and batches), cancellation; nothing is
    /// recorded.</param>
    /// <param name="steering">Window, layer weights, network; its strength is not used.</param>
    /// <param name="unsteered">The samples at strength 0, (count, SampleShape…), where an earlier response from the
    /// same starts, sampler, levels and seed has them (<see cref="Unsteered"/>), so that they are not drawn again; null
    /// to draw them. The caller keeps them.</param>
    /// <returns>The response; the caller disposes it.</returns>
    /// <exception cref="ArgumentException">The strengths or the unsteered samples do not fit, or as for
    /// <see cref="SteeredDenoiser"/>, <see cref="ISampler"/> and <see cref="AttributeRegressor.Read"/>.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; the network is as it was.</exception>
    public static DoseResponse Run(
        IDenoiser denoiser,
        SteeringDirection direction,
        IReadOnlyList<double> strengths,
        torch.Tensor starts,
        ISampler sampler,
        IReadOnlyList<double> sigmas,
        AttributeRegressor regressor,
        SamplingOptions? sampling = null,
        SteeringOptions? steering = null,
        torch.Tensor? unsteered = null
    )
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(direction);
        ArgumentNullException.ThrowIfNull(strengths);
        ArgumentNullException.ThrowIfNull(sampler);
        ArgumentNullException.ThrowIfNull(sigmas);
        ArgumentNullException.ThrowIfNull(regressor);
        Guard.Shape(starts, [-1, .. denoiser.SampleShape]);
        Guard.AtLeast(starts.shape[0], 1, "the number of starts");
        if (unsteered is not null)
            Guard.Shape(unsteered, starts.shape);
        if (
            denoiser.SampleShape.Aggregate(1L, (product, n) => product * n)
            != regressor.ImageShape.Aggregate(1L, (product, n) => product * n)
        )
            throw new ArgumentException(
                $"the attribute regressor reads images of ({string.Join(", ", regressor.ImageShape)}), the denoiser "
                    + $"gives ({string.Join(", ", denoiser.SampleShape)}); use one of that size",
                nameof(regressor)
            );
        if (
            strengths.Count < 3
            || !strengths.Contains(0)
            || strengths.Any(s => !double.IsFinite(s))
            || strengths.Zip(strengths.Skip(1)).Any(p => !(p.First < p.Second))
        )
            throw new ArgumentException(
                "strengths must be at least three finite numbers, strictly ascending, with 0 among them, "
                    + $"were {string.Join(", ", strengths)}",
                nameof(strengths)
            );
        (sampling, steering) = (sampling ?? new SamplingOptions(), steering ?? new SteeringOptions());
        using var scope = torch.NewDisposeScope();
        var count = (int)starts.shape[0];
        var free = new SteeredDenoiser(denoiser, direction, steering with { Strength = 0 });
        var images = new torch.Tensor[strengths.Count];
        var stepsDone = 0;
        for (var k = 0; k < strengths.Count; k++)
        {
            if (strengths[k] == 0 && unsteered is not null)
            {
                images[k] = unsteered.detach().to_type(starts.dtype).cpu();
                continue;
            }
            using var steered = free.WithStrength(strengths[k]);
            var parts = new List<torch.Tensor>();
            for (var offset = 0; offset < count; offset += sampling.BatchSize)
            {
                var part = sampling with
                {
                    FirstIndex = sampling.FirstIndex + offset,
                    Record = null,
                    Progress = sampling.Progress is { } progress ? new ShiftedProgress(progress, stepsDone) : null,
                };
                stepsDone += sigmas.Count - 1;
                parts.Add(
                    sampler
                        .Sample(
                            steered,
                            starts.narrow(0, offset, Math.Min(sampling.BatchSize, count - offset)),
                            sigmas,
                            part
                        )
                        .cpu()
                );
            }
            images[k] = torch.cat(parts, 0);
        }
        var all = torch.stack(images, 0);
        var read = regressor
            .Read(all.reshape([-1, .. regressor.ImageShape]).to_type(torch.float32))
            .data<double>()
            .ToArray();
        var readings = new double[strengths.Count, count, regressor.Names.Count];
        Buffer.BlockCopy(read, 0, readings, 0, read.Length * sizeof(double));
        var rows = all.to_type(torch.float64).flatten(2);
        double[,] Distances(Func<int, torch.Tensor> other)
        {
            var distances = new double[strengths.Count, count];
            for (var k = 0; k < strengths.Count; k++)
            {
                var found = (rows[k] - other(k)).norm(1).data<double>().ToArray();
                for (var i = 0; i < count; i++)
                    distances[k, i] = found[i];
            }
            return distances;
        }
        var zero = strengths.ToList().IndexOf(0);
        return new DoseResponse(
            [.. strengths],
            regressor.Names,
            all.MoveToOuterDisposeScope(),
            readings,
            Distances(_ => rows[zero]),
            Distances(k => rows[Math.Max(0, k - 1)]),
            zero
        );
    }

    /// <summary>What the regressor reads of an attribute in every sample at one strength, in the attribute's
    /// units.</summary>
    /// <param name="attribute">A name of <see cref="Attributes"/>.</param>
    /// <param name="strength">The number of the strength, from 0.</param>
    /// <exception cref="ArgumentException">There is no such attribute or strength.</exception>
    public IReadOnlyList<double> Readings(string attribute, int strength)
    {
        var column = Column(attribute);
        Place(strength);
        return [.. Enumerable.Range(0, Count).Select(i => readings[strength, i, column])];
    }

    /// <summary>How far an attribute moved from the unsteered sample, in every sample at one strength.</summary>
    /// <inheritdoc cref="Readings"/>
    public IReadOnlyList<double> Changes(string attribute, int strength) =>
        [.. Readings(attribute, strength).Zip(Readings(attribute, zero), (after, before) => after - before)];

    /// <summary>How far every picture moved from the unsteered one at one strength, in the l2 norm over its pixels:
    /// identity lost.</summary>
    /// <param name="strength">The number of the strength, from 0.</param>
    public IReadOnlyList<double> Moved(int strength)
    {
        Place(strength);
        return [.. Enumerable.Range(0, Count).Select(i => moved[strength, i])];
    }

    /// <summary>The rank correlation of strength and reading in every sample, in [-1, 1]: 1 where each step raises the
    /// attribute, by however little. 0 where the reading never changes.</summary>
    /// <param name="attribute">A name of <see cref="Attributes"/>.</param>
    /// <exception cref="ArgumentException">There is no such attribute.</exception>
    public IReadOnlyList<double> Monotonicity(string attribute)
    {
        var column = Column(attribute);
        return
        [
            .. Enumerable
                .Range(0, Count)
                .Select(i =>
                    Correlation.Spearman(Strengths, Strengths.Select((_, k) => readings[k, i, column])) is var rank
                    && double.IsNaN(rank)
                        ? 0
                        : rank
                ),
        ];
    }

    /// <summary>The largest change of an attribute between two neighbouring strengths over the sum of all such changes,
    /// in every sample: 1/(strengths - 1) for even steps, 1 for a single jump. NaN where nothing changes.</summary>
    /// <param name="attribute">A name of <see cref="Attributes"/>.</param>
    /// <exception cref="ArgumentException">There is no such attribute.</exception>
    public IReadOnlyList<double> LargestJump(string attribute)
    {
        var column = Column(attribute);
        return Jumps((k, i) => Math.Abs(readings[k, i, column] - readings[k - 1, i, column]));
    }

    /// <summary>The largest jump of the picture: the longest of its steps through pixel space over the length of the
    /// whole path.</summary>
    public IReadOnlyList<double> LargestPixelJump() => Jumps((k, i) => steps[k, i]);

    /// <summary>How much the attributes other than the one wanted moved with it at one strength, in every sample: their
    /// mean absolute change, each over its scale.</summary>
    /// <param name="attribute">The one wanted.</param>
    /// <param name="strength">The number of the strength, from 0.</param>
    /// <param name="scales">What counts as one unit of each attribute, in the order of <see cref="Attributes"/>, &gt;
    /// 0; such as its standard deviation over the data.</param>
    /// <exception cref="ArgumentException">There is no such attribute or strength, no other one, or the scales do not
    /// fit.</exception>
    public IReadOnlyList<double> Leakage(string attribute, int strength, IReadOnlyList<double> scales)
    {
        ArgumentNullException.ThrowIfNull(scales);
        var column = Column(attribute);
        Place(strength);
        if (scales.Count != Attributes.Count || scales.Any(s => !(s > 0)))
            throw new ArgumentException(
                $"scales must be {Attributes.Count} positive numbers, were {string.Join(", ", scales)}",
                nameof(scales)
            );
        if (Attributes.Count < 2)
            throw new ArgumentException(
                "the attribute regressor reads one attribute only, so there is nothing to leak into",
                nameof(attribute)
            );
        return
        [
            .. Enumerable
                .Range(0, Count)
                .Select(i =>
                    Enumerable
                        .Range(0, Attributes.Count)
                        .Where(c => c != column)
                        .Average(c => Math.Abs(readings[strength, i, c] - readings[zero, i, c]) / scales[c])
                ),
        ];
    }

    /// <inheritdoc/>
    public void Dispose() => Images.Dispose();

    private double[] Jumps(Func<int, int, double> step) =>
        [
            .. Enumerable
                .Range(0, Count)
                .Select(i =>
                {
                    var lengths = Enumerable.Range(1, Strengths.Count - 1).Select(k => step(k, i)).ToArray();
                    return lengths.Max() / lengths.Sum();
                }),
        ];

    private int Column(string attribute)
    {
        var column = Attributes.ToList().IndexOf(attribute);
        return column >= 0
            ? column
            : throw new ArgumentException(
                $"the attribute regressor does not read '{attribute}'; it reads {string.Join(", ", Attributes)}",
                nameof(attribute)
            );
    }

    private void Place(int strength)
    {
        if (strength < 0 || strength >= Strengths.Count)
            throw new ArgumentOutOfRangeException(
                nameof(strength),
                $"strengths are numbered from 0 to {Strengths.Count - 1}, was {strength}"
            );
    }
}
