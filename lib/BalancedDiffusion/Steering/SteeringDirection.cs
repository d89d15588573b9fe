using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Steering;

/// <summary>
/// A direction in the representation space of one network: for each of some layers a vector v, which steering adds to
/// what the layer gives, <c>f_steered = g(h + a v)</c> (Equation 11 of the paper). A direction does not change, holds
/// no tensor, and knows which network it belongs to.
/// </summary>
public sealed class SteeringDirection
{
    /// <summary>The name that stands for the estimate of the clean sample itself in place of a layer: steering pixels,
    /// the control.</summary>
    public const string Output = "(output)";

    private const string ModelKey = "model",
        KindKey = "holds",
        Kind = "steering direction";

    private readonly OrderedDictionary<string, double[]> layers;

    private SteeringDirection(string model, IEnumerable<KeyValuePair<string, double[]>> layers)
    {
        Model = model;
        this.layers = new OrderedDictionary<string, double[]>(layers);
    }

    /// <summary>The fingerprint of the network that the direction belongs to, see
    /// <see cref="ModelFingerprint"/>.</summary>
    public string Model { get; }

    /// <summary>The names of the layers.</summary>
    public IReadOnlyList<string> Layers => [.. layers.Keys];

    /// <summary>The vector of a layer: its units, or the units of all its places where references were
    /// flattened.</summary>
    /// <param name="layer">A name of <see cref="Layers"/>.</param>
    /// <exception cref="ArgumentException">The direction has no such layer.</exception>
    public IReadOnlyList<double> this[string layer] =>
        layers.TryGetValue(layer ?? "", out var vector)
            ? Array.AsReadOnly(vector)
            : throw new ArgumentException(
                $"the direction has no layer {Listing.Quoted(layer ?? "")}; it has {Listing.Of(layers.Keys)}",
                nameof(layer)
            );

    /// <summary>The norm of the whole direction, over all layers.</summary>
    public double Norm => Math.Sqrt(layers.Values.Sum(Square));

    /// <summary>
    /// A direction from reference images that show a concept. Without images that do not show it, v is the mean
    /// representation of those that do, as in the authors' code; with them it is the difference of
    /// the two means.
    /// </summary>
    /// <param name="denoiser">The network, or what asks it (a labelled or guided denoiser, with
    /// <see cref="SteeringReferences.Network"/> given).</param>
    /// <param name="modules">Names of <see cref="ActivationRecorder.ModulesOf"/>, at least one.</param>
    /// <param name="positive">Images that show the concept, (n, SampleShape…), n ≥ 1, of the network's type; the
    /// caller keeps them.</param>
    /// <param name="negative">Images that do not, or null.</param>
    /// <param name="references">Noise levels, pooling; null for the defaults.</param>
    /// <exception cref="ArgumentException">A shape is wrong, a set is empty or not finite, there is no such module, the
    /// denoiser is no network and none is given, or the activation does not fit the pooling.</exception>
    /// <exception cref="InvalidOperationException">A module did not run.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static SteeringDirection FromReferences(
        IDenoiser denoiser,
        IReadOnlyList<string> modules,
        torch.Tensor positive,
        torch.Tensor? negative = null,
        SteeringReferences? references = null
    )
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(modules);
        references ??= new SteeringReferences();
        var network = SteeredDenoiser.NetworkOf(denoiser, references.Network);
        CheckImages(denoiser, positive, nameof(positive));
        if (negative is not null)
            CheckImages(denoiser, negative, nameof(negative));
        var shown = Means(denoiser, network, modules, positive, references, "positive");
        if (negative is not null)
            foreach (var (name, mean) in Means(denoiser, network, modules, negative, references, "negative"))
                shown[name] = [.. shown[name].Zip(mean, (a, b) => a - b)];
        return new SteeringDirection(ModelFingerprint.Of(network), shown);
    }

    /// <summary>The control that steers pixels: the difference of the mean images, or the mean image, to be added to
    /// the estimate of the clean sample.</summary>
    /// <param name="denoiser">The network, as for <see cref="FromReferences"/>.</param>
    /// <param name="positive">Images that show the concept, (n, SampleShape…), n ≥ 1.</param>
    /// <param name="negative">Images that do not, or null.</param>
    /// <param name="network">The network where the denoiser is not itself one.</param>
    /// <exception cref="ArgumentException">A shape is wrong, or a set is empty or not finite.</exception>
    public static SteeringDirection FromPixels(
        IDenoiser denoiser,
        torch.Tensor positive,
        torch.Tensor? negative = null,
        torch.nn.Module? network = null
    )
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        CheckImages(denoiser, positive, nameof(positive));
        if (negative is not null)
            CheckImages(denoiser, negative, nameof(negative));
        using var scope = torch.NewDisposeScope();
        torch.Tensor Mean(torch.Tensor images) => images.detach().to_type(torch.float64).mean([0L]).flatten().cpu();
        var mean = negative is null ? Mean(positive) : Mean(positive) - Mean(negative);
        return new SteeringDirection(
            ModelFingerprint.Of(SteeredDenoiser.NetworkOf(denoiser, network)),
            [KeyValuePair.Create(Output, mean.data<double>().ToArray())]
        );
    }

    /// <summary>A direction given by its numbers.</summary>
    /// <param name="network">The network that it belongs to.</param>
    /// <param name="vectors">One finite vector a layer, at least one; <see cref="Output"/> stands for the estimate
    /// itself. Copied.</param>
    /// <exception cref="ArgumentException">There is no such module, a vector is empty or not finite, or none is
    /// given.</exception>
    public static SteeringDirection FromVectors(torch.nn.Module network, IReadOnlyDictionary<string, double[]> vectors)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(vectors);
        if (vectors.Count == 0)
            throw new ArgumentException("vectors must hold at least one layer, was empty", nameof(vectors));
        var modules = vectors.Keys.Where(name => name != Output).ToArray();
        if (modules.Length > 0)
            ModuleHooks.Named(network, modules, "steered");
        foreach (var (name, vector) in vectors)
            if (vector is not { Length: > 0 } || vector.Any(v => !double.IsFinite(v)))
                throw new ArgumentException(
                    $"the vector of layer {Listing.Quoted(name)} must hold at least one number and only finite ones",
                    nameof(vectors)
                );
        return new SteeringDirection(
            ModelFingerprint.Of(network),
            vectors.Select(v => KeyValuePair.Create(v.Key, (double[])v.Value.Clone()))
        );
    }

    /// <summary>A sum of directions with weights.</summary>
    /// <param name="parts">At least one, all of one network and with the same layers and widths.</param>
    /// <exception cref="ArgumentException">None is given, they do not match, or a weight or the sum is not
    /// finite.</exception>
    public static SteeringDirection Combine(params IReadOnlyList<(SteeringDirection Direction, double Weight)> parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        if (parts.Count == 0)
            throw new ArgumentException("parts must hold at least one direction, was empty", nameof(parts));
        foreach (var (direction, weight) in parts)
        {
            ArgumentNullException.ThrowIfNull(parts[0].Direction, nameof(parts));
            parts[0].Direction.Check(direction);
            if (!double.IsFinite(weight))
                throw new ArgumentException($"a weight must be finite, was {weight}", nameof(parts));
        }
        var sum = parts[0]
            .Direction.Each(
                (name, vector) => [.. vector.Select((_, i) => parts.Sum(p => p.Weight * p.Direction.layers[name][i]))]
            );
        if (sum.layers.Values.Any(vector => vector.Any(v => !double.IsFinite(v))))
            throw new ArgumentException("the sum is not finite; use smaller weights", nameof(parts));
        return sum;
    }

    /// <summary>This direction times a number.</summary>
    /// <param name="factor">Finite.</param>
    public SteeringDirection Scaled(double factor) => Combine((this, factor));

    /// <summary>This direction with every layer's vector at norm one; a layer whose vector is zero stays
    /// zero.</summary>
    public SteeringDirection Normalized() =>
        Each(
            (_, vector) =>
            {
                var norm = Math.Sqrt(Square(vector));
                return [.. vector.Select(v => norm > 0 ? v / norm : 0)];
            }
        );

    /// <summary>The part of this direction along another, layer by layer: <c>(v·u/‖u‖²) u</c>; zero where u
    /// is.</summary>
    /// <param name="other">Of the same network, with the same layers and widths.</param>
    /// <exception cref="ArgumentException">They do not match.</exception>
    public SteeringDirection Onto(SteeringDirection other)
    {
        Check(other);
        return Each(
            (name, vector) =>
            {
                var along = other.layers[name];
                var square = Square(along);
                var share = square > 0 ? Dot(vector, along) / square : 0;
                return [.. along.Select(u => share * u)];
            }
        );
    }

    /// <summary>This direction without its part along another, so that steering here leaves what the other reads alone
    /// (to first order): <c>v - (v·u/‖u‖²) u</c>.</summary>
    /// <param name="other">Of the same network, with the same layers and widths.</param>
    /// <exception cref="ArgumentException">They do not match.</exception>
    public SteeringDirection Without(SteeringDirection other) => Combine((this, 1), (Onto(other), -1));

    /// <summary>Some of this direction's layers.</summary>
    /// <param name="names">Names of <see cref="Layers"/>, at least one.</param>
    /// <exception cref="ArgumentException">There is no such layer, or none is named.</exception>
    public SteeringDirection Only(params IReadOnlyList<string> names)
    {
        ArgumentNullException.ThrowIfNull(names);
        if (names.Count == 0)
            throw new ArgumentException("names must hold at least one layer, was empty", nameof(names));
        return new SteeringDirection(
            Model,
            names.Distinct().Select(name => KeyValuePair.Create(name, this[name].ToArray()))
        );
    }

    /// <summary>The control: a direction drawn uniformly, in every layer as long as this one.</summary>
    /// <param name="seed">The seed.</param>
    public SteeringDirection RandomLike(long seed) =>
        Each(
            (name, vector) =>
            {
                using var drawn = GaussianNoise.Draw(
                    [vector.Length],
                    Seeds.Derive(seed, name),
                    torch.ScalarType.Float64
                );
                var values = drawn.data<double>().ToArray();
                var factor = Math.Sqrt(Square(vector) / Square(values));
                return [.. values.Select(v => v * factor)];
            }
        );

    /// <summary>The cosine between two directions over all layers, in [-1, 1]; NaN where one is zero.</summary>
    /// <param name="other">Of the same network, with the same layers and widths.</param>
    /// <exception cref="ArgumentException">They do not match.</exception>
    public double Cosine(SteeringDirection other)
    {
        Check(other);
        return layers.Sum(l => Dot(l.Value, other.layers[l.Key])) / (Norm * other.Norm);
    }

    /// <summary>Writes the direction as safetensors, whole or not at all.</summary>
    /// <param name="path">The file to write.</param>
    /// <param name="provenance">How it came to be, text by key.</param>
    public void Save(string path, IReadOnlyDictionary<string, string>? provenance = null)
    {
        using var scope = torch.NewDisposeScope();
        Safetensors.Write(
            path,
            [.. layers.Select(l => KeyValuePair.Create(l.Key, torch.tensor(l.Value, dtype: torch.float64)))],
            CheckpointFile.Metadata(CheckpointFile.Metadata(provenance, KindKey, Kind), ModelKey, Model)
        );
    }

    /// <summary>Reads a direction that was saved.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or holds something else.</exception>
    public static SteeringDirection Load(string path)
    {
        using var scope = torch.NewDisposeScope();
        using var tensors = CheckpointFile.Read(path);
        var file = Path.GetFileName(path);
        if (
            tensors.Metadata.GetValueOrDefault(KindKey) != Kind
            || !tensors.Metadata.TryGetValue(ModelKey, out var model)
            || tensors.Count == 0
        )
            throw new InvalidDataException(
                $"the file '{file}' does not hold a steering direction; make one with SteeringDirection.Save"
            );
        foreach (var (name, vector) in tensors)
            if (
                vector.dtype != torch.ScalarType.Float64
                || vector.dim() != 1
                || vector.NumberOfElements == 0
                || !torch.isfinite(vector).all().item<bool>()
            )
                throw new InvalidDataException(
                    $"the layer {Listing.Quoted(name)} in the file '{file}' must hold a vector of finite "
                        + $"float64 numbers, was {vector.dtype} {Listing.Shape(vector.shape)}"
                );
        return new SteeringDirection(
            model,
            tensors.Select(t => KeyValuePair.Create(t.Key, t.Value.data<double>().ToArray()))
        );
    }

    /// <summary>Its layers, norms and network.</summary>
    public override string ToString()
    {
        var each = layers.Select(l =>
            FormattableString.Invariant($"{l.Key} ({l.Value.Length} units, length {Math.Sqrt(Square(l.Value)):G4})")
        );
        return $"direction in {string.Join(", ", each)} of {Model}";
    }

    private SteeringDirection Each(Func<string, double[], double[]> change) =>
        new(Model, layers.Select(l => KeyValuePair.Create(l.Key, change(l.Key, l.Value))));

    private void Check(SteeringDirection other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (other.Model != Model)
            throw new ArgumentException(
                $"the two directions belong to different networks, {Model} and {other.Model}; make both on one",
                nameof(other)
            );
        if (!layers.Keys.ToHashSet().SetEquals(other.layers.Keys))
            throw new ArgumentException(
                $"the two directions have different layers, {Listing.Of(layers.Keys)} and "
                    + $"{Listing.Of(other.layers.Keys)}; choose common ones with Only",
                nameof(other)
            );
        foreach (var (name, vector) in layers)
            if (other.layers[name].Length != vector.Length)
                throw new ArgumentException(
                    $"the two directions have {vector.Length} and {other.layers[name].Length} units in layer "
                        + $"{Listing.Quoted(name)}; make both with one pooling",
                    nameof(other)
                );
    }

    private static void CheckImages(IDenoiser denoiser, torch.Tensor images, string name)
    {
        Guard.Shape(images, [-1, .. denoiser.SampleShape], name);
        if (images.shape[0] == 0)
            throw new ArgumentException($"{name} must hold at least one image, was empty", name);
        if (!images.is_floating_point())
            throw new ArgumentException(
                $"{name} must hold floating-point numbers, was {images.dtype}; convert it first",
                name
            );
        Guard.Finite(images, name);
    }

    private static OrderedDictionary<string, double[]> Means(
        IDenoiser denoiser,
        torch.nn.Module network,
        IReadOnlyList<string> modules,
        torch.Tensor images,
        SteeringReferences references,
        string what
    )
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var recorder = new ActivationRecorder(network, modules);
        var sums = new OrderedDictionary<string, torch.Tensor>();
        var count = images.shape[0];
        for (var offset = 0L; offset < count; offset += references.BatchSize)
        {
            var part = images.narrow(0, offset, Math.Min(references.BatchSize, count - offset)).detach();
            for (var level = 0; level < references.Sigmas.Count; level++)
            for (var draw = 0; draw < references.Draws; draw++)
            {
                references.Cancellation.ThrowIfCancellationRequested();
                SafePoint.Pass();
                using var step = torch.NewDisposeScope();
                var noise = GaussianNoise.DrawEach(
                    part.shape,
                    Seeds.Derive(references.Seed, "references"),
                    offset,
                    level * references.Draws + draw,
                    part.dtype,
                    part.device
                );
                denoiser.DenoiseAt(part + references.Sigmas[level] * noise, references.Sigmas[level]).Dispose();
                foreach (var name in recorder.Modules)
                {
                    var sum = Pooled(recorder.Last(name), references.Pooling, part.shape[0], name)
                        .to_type(torch.float64)
                        .sum(0L)
                        .cpu();
                    var total = sums.TryGetValue(name, out var before)
                        ? before.add_(sum)
                        : sum.MoveToOtherDisposeScope(scope);
                    sums[name] = total;
                }
                recorder.Clear();
            }
        }
        var runs = (double)count * references.Sigmas.Count * references.Draws;
        foreach (var (name, sum) in sums)
            Guard.Finite(sum, $"the mean representation of the {what} references in layer {Listing.Quoted(name)}");
        return new OrderedDictionary<string, double[]>(
            sums.Select(s => KeyValuePair.Create(s.Key, s.Value.div(runs).data<double>().ToArray()))
        );
    }

    private static torch.Tensor Pooled(torch.Tensor activation, Pooling? pooling, long batch, string name)
    {
        // Under guidance in one run the conditional half comes first.
        if (activation.dim() > 0 && activation.shape[0] == 2 * batch)
            activation = activation.narrow(0, 0, batch);
        if (activation.dim() < 2 || activation.shape[0] != batch)
            throw new ArgumentException(
                $"the module {Listing.Quoted(name)} gives {Listing.Shape(activation.shape)}, which is not one "
                    + "representation a sample; choose another module"
            );
        return (
            pooling
            ?? activation.dim() switch
            {
                4 => Pooling.SpatialMean,
                3 => Pooling.TokenMean,
                _ => Pooling.Flatten,
            }
        ).Apply(activation);
    }

    private static double Square(double[] vector) => Dot(vector, vector);

    private static double Dot(double[] a, double[] b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++)
            sum += a[i] * b[i];
        return sum;
    }
}
