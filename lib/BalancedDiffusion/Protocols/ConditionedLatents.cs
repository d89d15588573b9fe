using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Protocols;

/// <summary>
/// What a latent diffusion model is trained on: the latents of distinct images, encoded once and kept in half
/// precision, their conditions (the tokens of a caption, or a class), and which of them each training row is, so that
/// duplicates take no memory.
/// </summary>
public sealed class ConditionedLatents : IDisposable
{
    private const string Format = "BalancedDiffusion latents 1",
        DigestKey = "digest";
    private const int Block = 32;
    private readonly torch.Tensor latents,
        conditions;
    private readonly int[]? rows;

    /// <summary>A training set; the tensors are copied.</summary>
    /// <param name="latents">(distinct, channels, height, width), scaled as for diffusion, floating point,
    /// finite.</param>
    /// <param name="conditions">(distinct, length), int64: the tokens of a caption, or one class.</param>
    /// <param name="distinctOfRow">The distinct image of each training row, or null where each occurs once.</param>
    /// <exception cref="ArgumentException">A shape or type does not fit, or a row is of no image.</exception>
    public ConditionedLatents(torch.Tensor latents, torch.Tensor conditions, IReadOnlyList<int>? distinctOfRow = null)
    {
        Guard.Shape(latents, [-1, -1, -1, -1]);
        Guard.Shape(conditions, [latents.shape[0], -1]);
        if (!latents.is_floating_point() || conditions.dtype != torch.int64)
            throw new ArgumentException(
                $"latents must be floating point and conditions Int64, were {latents.dtype} and {conditions.dtype}; "
                    + "convert them with to_type",
                nameof(latents)
            );
        if (latents.NumberOfElements == 0 || distinctOfRow is { Count: 0 })
            throw new ArgumentException("there must be at least one image and one row; give some", nameof(latents));
        foreach (var i in distinctOfRow ?? [])
            if (i < 0 || i >= latents.shape[0])
                throw new ArgumentException(
                    $"distinctOfRow must name images 0 to {latents.shape[0] - 1}, named {i}",
                    nameof(distinctOfRow)
                );
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        this.latents = latents.detach().cpu().to_type(torch.float16).clone().DetachFromDisposeScope();
        this.conditions = conditions.cpu().clone().DetachFromDisposeScope();
        rows = distinctOfRow is null ? null : [.. distinctOfRow];
        if (Guard.AllFinite(this.latents))
            return;
        Dispose();
        throw new ArgumentException("latents must be finite in half precision; encode them anew", nameof(latents));
    }

    /// <summary>How many distinct images there are.</summary>
    public int Distinct => (int)latents.shape[0];

    /// <summary>How many training rows there are, duplicates counted.</summary>
    public int Rows => rows?.Length ?? Distinct;

    /// <summary>The shape of a latent: (channels, height, width).</summary>
    public IReadOnlyList<long> LatentShape => latents.shape[1..];

    /// <summary>The length of a condition: of a caption in tokens, or 1.</summary>
    public long Length => conditions.shape[1];

    /// <summary>A digest of all of it, the same on every machine for the same numbers.</summary>
    public string Digest
    {
        get
        {
            using var scope = torch.NewDisposeScope();
            var parts = new Dictionary<string, torch.Tensor> { ["latents"] = latents, ["conditions"] = conditions };
            if (rows is not null)
                parts["rows"] = torch.tensor(rows);
            return TrainingCheckpoint.Digest(parts);
        }
    }

    /// <summary>The latents and conditions of rows.</summary>
    /// <param name="indices">0 to <see cref="Rows"/> - 1 each, at least one.</param>
    /// <returns>(indices, channels, height, width), float32, and (indices, length), int64, on the CPU. The caller owns
    /// both.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    public (torch.Tensor Latents, torch.Tensor Conditions) Pick(params IReadOnlyList<long> indices)
    {
        ArgumentNullException.ThrowIfNull(indices);
        foreach (var i in indices)
            if (i < 0 || i >= Rows)
                throw new ArgumentOutOfRangeException(nameof(indices), $"a row must be 0 to {Rows - 1}, was {i}");
        using var scope = torch.NewDisposeScope();
        var places = torch.tensor(indices.Select(i => rows is null ? i : rows[i]).ToArray(), dtype: torch.int64);
        return (
            latents.index_select(0, places).to_type(torch.float32).MoveToOuterDisposeScope(),
            conditions.index_select(0, places).MoveToOuterDisposeScope()
        );
    }

    /// <summary>Encodes images, block by block.</summary>
    /// <param name="autoencoder">Images to latents: their means, times the scaling factor.</param>
    /// <param name="count">How many images, ≥ 1.</param>
    /// <param name="images">The images from an index on, so many, (count, channels, height, width) in [-1, 1], which
    /// become this method's.</param>
    /// <param name="source">A name of these images, the same for the same images only.</param>
    /// <param name="cache">A file that keeps the latents, or null. One of the same autoencoder, source and number is
    /// read in place of encoding; another is replaced.</param>
    /// <param name="progress">Receives the number of images done, or null.</param>
    /// <param name="cancellation">Stops between two blocks.</param>
    /// <returns>(count, channels, height, width), float16, on the CPU; the caller owns it.</returns>
    /// <exception cref="ArgumentOutOfRangeException">count is below 1.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static torch.Tensor Encode(
        LatentAutoencoder autoencoder,
        int count,
        Func<int, int, torch.Tensor> images,
        string source,
        string? cache = null,
        IProgress<int>? progress = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(autoencoder);
        ArgumentNullException.ThrowIfNull(images);
        ArgumentException.ThrowIfNullOrWhiteSpace(source);
        Guard.AtLeast(count, 1);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var weights = autoencoder.state_dict().ToDictionary(t => t.Key, t => t.Value);
        var digest = $"{TrainingCheckpoint.Digest(weights)}, {count} of {source}";
        if (cache is not null && Kept(cache, digest) is { } kept)
            return kept.MoveToOuterDisposeScope();
        torch.Tensor? latents = null;
        for (var first = 0; first < count; first += Block)
        {
            cancellation.ThrowIfCancellationRequested();
            SafePoint.Pass();
            using var inner = torch.NewDisposeScope();
            var size = Math.Min(Block, count - first);
            using var drawn = images(first, size);
            var means = autoencoder
                .Encode(drawn.to(autoencoder.Device).to_type(autoencoder.Type))
                .Mean.mul(autoencoder.Options.ScalingFactor)
                .cpu()
                .to_type(torch.float16);
            latents ??= torch.empty([count, .. means.shape[1..]], dtype: torch.float16).MoveToOuterDisposeScope();
            latents.narrow(0, first, size).copy_(means);
            progress?.Report(first + size);
        }
        if (cache is not null)
            Safetensors.Write(
                cache,
                new Dictionary<string, torch.Tensor> { ["latents"] = latents! },
                new Dictionary<string, string> { ["format"] = Format, [DigestKey] = digest }
            );
        return latents!.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        latents.Dispose();
        conditions.Dispose();
    }

    // A damaged file is made anew.
    private static torch.Tensor? Kept(string cache, string digest)
    {
        if (!File.Exists(cache))
            return null;
        try
        {
            var file = Safetensors.Read(cache);
            return file.Metadata.GetValueOrDefault(DigestKey) == digest ? file["latents"] : null;
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }
}
