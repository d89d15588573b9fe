using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Training;
using TorchSharp;
using TorchSharp.Modules;
using OptimizerOptions = BalancedDiffusion.Training.OptimizerOptions;

namespace BalancedDiffusion.Protocols;

/// <summary>
/// Reads named attributes off an image: a small convolutional network trained by least squares on images whose
/// attributes are known (the factors of rendered faces, CelebA's lists). It stands outside the diffusion models,
/// so that an edit is judged by a regressor that took no part in it. Of a 0/1 attribute it estimates the probability,
/// and may leave [0, 1] a little.
/// </summary>
public sealed class AttributeRegressor : torch.nn.Module
{
    /// <summary>How many numbers <see cref="Features"/> gives an image.</summary>
    public const int FeatureCount = 192;

    private const string NamesKey = "attributes",
        ShapeKey = "image_shape";

    private readonly Sequential net;
    private readonly string[] names;
    private readonly long[] shape;
    private readonly Parameter mean,
        scale;

    private AttributeRegressor(string[] names, long[] shape, long seed)
        : base(nameof(AttributeRegressor))
    {
        (this.names, this.shape) = (names, shape);
        using var scope = torch.NewDisposeScope();
        var places = shape[1] / 8 * (shape[2] / 8);
        net = torch.nn.Sequential(
            ("0", new Convolution3x3(shape[0], 24)),
            ("1", torch.nn.SiLU()),
            ("2", new Convolution3x3(24, 48, stride: 2)),
            ("3", torch.nn.SiLU()),
            ("4", new Convolution3x3(48, 96, stride: 2)),
            ("5", torch.nn.SiLU()),
            ("6", new Convolution3x3(96, 96, stride: 2)),
            ("7", torch.nn.SiLU()),
            ("8", torch.nn.Flatten()),
            ("9", torch.nn.Linear(96 * places, FeatureCount)),
            ("10", torch.nn.SiLU()),
            ("11", torch.nn.Linear(FeatureCount, names.Length))
        );
        (mean, scale) = (
            new Parameter(torch.zeros(names.Length), false),
            new Parameter(torch.ones(names.Length), false)
        );
        RegisterComponents();
        using var noGrad = torch.no_grad();
        foreach (var (name, parameter) in named_parameters())
        {
            if (name is not ("mean" or "scale"))
            {
                // As torch's own layers start: uniform in ±1/sqrt(inputs), weights a little wider for the activations'
                // sake.
                var inputs =
                    parameter.dim() > 1
                        ? parameter.shape.Skip(1).Aggregate(1L, (product, n) => product * n)
                        : parameter.shape[0];
                using var generator = Seeds.Generator(Seeds.Derive(seed, name));
                var bound = parameter.dim() > 1 ? Math.Sqrt(3.0 / inputs) : 0;
                parameter.copy_(torch.rand(parameter.shape, generator: generator).mul_(2 * bound).sub_(bound));
            }
            parameter.DetachFromDisposeScope();
        }
    }

    /// <summary>The attributes' names, in the order of the columns of <see cref="Read"/>.</summary>
    public IReadOnlyList<string> Names => names;

    /// <summary>The shape of an image, (channels, height, width).</summary>
    public IReadOnlyList<long> ImageShape => shape;

    /// <summary>Trains a regressor. Images are noised a little, so that it does not depend on single pixels.</summary>
    /// <param name="images">Images with their attributes; sides are multiples of 8. The caller keeps them.</param>
    /// <param name="attributes">Names of attributes of these images, at least one, each of which varies.</param>
    /// <param name="options">Steps, batch size, rate, seed (others do not matter here); null for <see cref="Recipe"/>.
    /// Batches are drawn with replacement; a batch size of 0 is as many as there are images.</param>
    /// <param name="progress">Receives the number of steps done, or null.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    /// <returns>The regressor, in evaluation mode; the caller disposes it.</returns>
    /// <exception cref="ArgumentException">There is no such attribute, one does not vary, a name is empty or holds a
    /// comma, or the images' sides are no multiples of 8.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static AttributeRegressor Fit(
        ImageDataset images,
        IReadOnlyList<string> attributes,
        TrainingOptions? options = null,
        IProgress<int>? progress = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(attributes);
        options ??= Recipe(images.Count);
        using var scope = torch.NewDisposeScope();
        var known = Known(images, attributes);
        if (attributes.FirstOrDefault(name => name.Length == 0 || name.Contains(',')) is { } odd)
            throw new ArgumentException(
                "an attribute's name must not be empty or hold a comma, since a regressor's file lists the "
                    + $"names with commas between them, was {Listing.Quoted(odd)}; rename it",
                nameof(attributes)
            );
        if (images.Height % 8 != 0 || images.Width % 8 != 0)
            throw new ArgumentException(
                $"images must have sides that are multiples of 8, were {images.Height}×{images.Width}",
                nameof(images)
            );
        // In the scope until it is ready, so that an exception on the way disposes of it.
        var regressor = new AttributeRegressor(
            [.. attributes],
            [images.Channels, images.Height, images.Width],
            options.Seed
        );
        scope.Attach(regressor.parameters());
        var (std, middle) = torch.std_mean(known, [0L], unbiased: false);
        var flat = attributes.Where((_, i) => !(std[i].item<float>() > 0)).ToArray();
        if (flat.Length > 0)
            throw new ArgumentException(
                $"the attributes {Listing.Of(flat)} are the same in all images, so that there is nothing to "
                    + "learn; give more images",
                nameof(attributes)
            );
        using (torch.no_grad())
        {
            regressor.mean.copy_(middle);
            regressor.scale.copy_(std);
        }
        var targets = (known - middle) / std;
        var weights = regressor
            .named_parameters()
            .Where(p => p.parameter.requires_grad)
            .Select(p => (p.name, (torch.Tensor)p.parameter))
            .ToArray();
        using var optimizer = new ParameterOptimizer(options.Optimizer, weights);
        using var generator = Seeds.Generator(Seeds.Derive(options.Seed, "batches"));
        var batch = options.BatchSize == 0 ? images.Count : options.BatchSize;
        for (var step = 0; step < options.Steps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            SafePoint.Pass();
            using var inner = torch.NewDisposeScope();
            var index = torch.randint(images.Count, [batch], dtype: torch.int64, generator: generator);
            var blur = torch.rand([batch, 1, 1, 1], generator: generator).mul_(0.1);
            var noisy = images
                .Images.index_select(0, index)
                .addcmul_(blur, GaussianNoise.Draw([batch, .. regressor.shape], Seeds.Derive(options.Seed, step)), 1);
            var loss = torch.nn.functional.mse_loss(regressor.net.call(noisy), targets.index_select(0, index));
            loss.backward();
            optimizer.Step(
                [.. weights.Select(w => w.Item2.grad)],
                options.LearningRate * options.Schedule.Factor(step, options.Steps),
                0
            );
            foreach (var (_, weight) in weights)
                weight.grad?.zero_();
            progress?.Report(step + 1);
        }
        foreach (var parameter in regressor.parameters())
            parameter.requires_grad_(false);
        regressor.eval();
        scope.Detach(regressor.parameters());
        return regressor;
    }

    /// <summary>How a regressor is trained where nothing else is said: each image ten times, in batches of 128, at most
    /// 4,000 steps, Adam, one cycle up to 2e-3.</summary>
    /// <param name="images">How many images there are, ≥ 1.</param>
    public static TrainingOptions Recipe(int images)
    {
        Guard.AtLeast(images, 1);
        return new()
        {
            Steps = (int)Math.Clamp(10L * images / 128, 100, 4000),
            BatchSize = 128,
            Optimizer = OptimizerOptions.Adam(),
            LearningRate = 2e-3,
            Schedule = LearningRateSchedule.OneCycle(0.1),
        };
    }

    /// <summary>Reads images.</summary>
    /// <param name="images">(n, channels, height, width), float32; the caller keeps them.</param>
    /// <returns>(n, attributes), float64, on the CPU, in the attributes' own units. The caller owns it.</returns>
    /// <exception cref="ArgumentException">The images have another shape.</exception>
    public torch.Tensor Read(torch.Tensor images) =>
        InBatches(images, names.Length, batch => net.call(batch) * scale + mean);

    /// <summary>The features that the attributes are read from: the outputs of the last layer but one, after its
    /// activation. Sets of images are compared in them.</summary>
    /// <param name="images">(n, channels, height, width), float32; the caller keeps them.</param>
    /// <returns>(n, <see cref="FeatureCount"/>), float64, on the CPU. The caller owns it.</returns>
    /// <exception cref="ArgumentException">The images have another shape.</exception>
    public torch.Tensor Features(torch.Tensor images) =>
        InBatches(
            images,
            FeatureCount,
            batch =>
                net.children()
                    .SkipLast(1)
                    .Cast<torch.nn.Module<torch.Tensor, torch.Tensor>>()
                    .Aggregate(batch, (x, layer) => layer.call(x))
        );

    private torch.Tensor InBatches(torch.Tensor images, long columns, Func<torch.Tensor, torch.Tensor> run)
    {
        Guard.Shape(images, [-1, .. shape]);
        Guard.TypeOf(mean, images);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var parts = new List<torch.Tensor>();
        for (var offset = 0L; offset < images.shape[0]; offset += 256)
        {
            SafePoint.Pass();
            using var step = torch.NewDisposeScope();
            parts.Add(
                run(images.narrow(0, offset, Math.Min(256, images.shape[0] - offset)))
                    .to_type(torch.float64)
                    .cpu()
                    .MoveToOuterDisposeScope()
            );
        }
        return (
            parts.Count == 0 ? torch.zeros(0, columns, dtype: torch.float64) : torch.cat(parts, 0)
        ).MoveToOuterDisposeScope();
    }

    /// <summary>How well it reads images that it was not trained on.</summary>
    /// <param name="heldOut">Such images with their attributes, at least three; the caller keeps them.</param>
    /// <returns>One row an attribute, in the order of <see cref="Names"/>.</returns>
    /// <exception cref="ArgumentException">An attribute is missing or does not vary, or there are too few
    /// images.</exception>
    public IReadOnlyList<AttributeError> Evaluate(ImageDataset heldOut)
    {
        ArgumentNullException.ThrowIfNull(heldOut);
        using var scope = torch.NewDisposeScope();
        var known = Known(heldOut, names).to_type(torch.float64);
        var read = Read(heldOut.Images);
        return
        [
            .. names.Select(
                (name, i) =>
                    AttributeError.Measure(
                        name,
                        read[torch.TensorIndex.Colon, i].contiguous().data<double>().ToArray(),
                        known[torch.TensorIndex.Colon, i].contiguous().data<double>().ToArray()
                    )
            ),
        ];
    }

    /// <summary>Writes the regressor as safetensors, whole or not at all.</summary>
    /// <param name="path">The file to write.</param>
    /// <param name="provenance">How it came to be, text by key.</param>
    /// <param name="half">Whether the weights are kept in half precision; they are read as float32 again.</param>
    public void Save(string path, IReadOnlyDictionary<string, string>? provenance = null, bool half = false)
    {
        using var scope = torch.NewDisposeScope();
        var type = half ? torch.float16 : torch.float32;
        Safetensors.Write(
            path,
            [.. named_parameters().Select(p => KeyValuePair.Create(p.name, p.parameter.detach().to_type(type)))],
            CheckpointFile.Metadata(
                CheckpointFile.Metadata(provenance, NamesKey, string.Join(",", names)),
                ShapeKey,
                string.Join(",", shape)
            )
        );
    }

    /// <summary>Reads a regressor that was saved.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The regressor, in evaluation mode; the caller disposes it.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or holds something else.</exception>
    public static AttributeRegressor Load(string path)
    {
        using var scope = torch.NewDisposeScope();
        using var tensors = CheckpointFile.Read(path);
        var file = Path.GetFileName(path);
        InvalidDataException Wrong(string why) =>
            new(
                $"the file '{file}' does not hold an attribute regressor: {why}; make one with AttributeRegressor.Save"
            );
        var parts = (tensors.Metadata.GetValueOrDefault(ShapeKey) ?? "")
            .Split(',')
            .Select(n => long.TryParse(n, out var side) ? side : 0)
            .ToArray();
        if (
            parts.Length != 3
            || parts[0] is < 1 or > 16
            || parts.Skip(1).Any(side => side is < 8 or > 4096 || side % 8 != 0)
        )
            throw Wrong($"its {ShapeKey} must be channels, height and width");
        if (tensors.Metadata.GetValueOrDefault(NamesKey) is not { Length: > 0 } listed)
            throw Wrong($"it names no {NamesKey}");
        var listedNames = listed.Split(',');
        // The layers whose sizes depend on these claims are looked at before memory is taken for them.
        foreach (
            var (layer, size) in new[]
            {
                ("net.9.weight", (long[])[FeatureCount, 96 * (parts[1] / 8) * (parts[2] / 8)]),
                ("net.11.weight", [listedNames.Length, FeatureCount]),
            }
        )
            if (!tensors.TryGetValue(layer, out var weight) || !weight.shape.SequenceEqual(size))
                throw Wrong($"missing, of another shape or type, or not finite: {Listing.Quoted(layer)}");
        var regressor = new AttributeRegressor(listedNames, parts, 0);
        scope.Attach(regressor.parameters());
        var expected = regressor.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        var faults = expected
            .Where(e =>
                !tensors.TryGetValue(e.Key, out var t)
                || !t.shape.SequenceEqual(e.Value.shape)
                || t.dtype is not (torch.ScalarType.Float32 or torch.ScalarType.Float16)
                || !torch.isfinite(t).all().item<bool>()
            )
            .Select(e => e.Key)
            .ToArray();
        if (faults.Length > 0)
            throw Wrong($"missing, of another shape or type, or not finite: {Listing.Of(faults)}");
        if (tensors.Keys.Where(k => !expected.ContainsKey(k)).ToArray() is { Length: > 0 } unexpected)
            throw Wrong($"unexpected {Listing.Of(unexpected)}");
        using (torch.no_grad())
            foreach (var (name, parameter) in expected)
                parameter.copy_(tensors[name]);
        foreach (var parameter in regressor.parameters())
            parameter.requires_grad_(false);
        regressor.eval();
        scope.Detach(regressor.parameters());
        return regressor;
    }

    private static torch.Tensor Known(ImageDataset images, IReadOnlyList<string> attributes)
    {
        if (attributes.Count == 0)
            throw new ArgumentException("attributes must name at least one attribute, was empty", nameof(attributes));
        var missing = attributes
            .Where(name => name is null || !images.Attributes.ContainsKey(name))
            .Select(name => name ?? "")
            .ToArray();
        if (missing.Length > 0)
            throw new ArgumentException(
                $"the data set '{images.Name}' has no attributes {Listing.Of(missing)}; it has "
                    + $"{Listing.Of(images.Attributes.Keys)}",
                nameof(attributes)
            );
        using var scope = torch.NewDisposeScope();
        var unread = attributes.Where(name => images.Attributes[name].Any(v => !float.IsFinite(v))).ToArray();
        if (unread.Length > 0)
            throw new ArgumentException(
                $"the attributes {Listing.Of(unread)} hold NaN or infinity; leave such images out",
                nameof(attributes)
            );
        return torch
            .stack([.. attributes.Select(name => torch.tensor(images.Attributes[name]))], 1)
            .MoveToOuterDisposeScope();
    }
}
