using BalancedDiffusion.Datasets;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Training;

namespace BalancedDiffusion.Protocols;

/// <summary>
/// The network in whose features sets of faces are compared: an attribute regressor of 64×64 colour faces, which takes
/// the place that Inception has for photographs. Numbers in its features are comparable with one another only.
/// </summary>
public static class FaceFeatures
{
    /// <summary>The factors that it reads: those that every face shows. What is seen only with a hat, glasses or hair,
    /// and the small parts of a face, are left out.</summary>
    public static IReadOnlyList<string> Factors { get; } =
        Array.AsReadOnly([
            "Yaw",
            "Pitch",
            "Tilt",
            "ShiftX",
            "ShiftY",
            "Scale",
            "FaceWidth",
            "SkinTone",
            "HairTone",
            "HairCover",
            "HairLength",
            "HairVolume",
            "Fringe",
            "Curl",
            "Beard",
            "Moustache",
            "Hat",
            "Glasses",
            "Smile",
            "MouthOpen",
            "LightX",
            "LightStrength",
            "BackgroundTone",
            "BackgroundGradient",
            "ClothesTone",
            "Age",
        ]);

    /// <summary>The name that the regressor of 64×64 is asked for by.</summary>
    public const string Name = "face-features";

    /// <summary>The sizes that it is trained for: 64 for the latent models, 32 for those in pixels.</summary>
    public static IReadOnlyList<int> Sizes { get; } = Array.AsReadOnly([64, 32]);

    /// <summary>The name that the regressor of a size is asked for by.</summary>
    /// <param name="size">Pixels a side.</param>
    public static string NameOf(int size) => size == Sizes[0] ? Name : FormattableString.Invariant($"{Name}-{size}");

    /// <summary>The file of the regressor of a size, below a data folder.</summary>
    /// <param name="size">Pixels a side.</param>
    public static string File(int size) => $"checkpoints/{NameOf(size)}.safetensors";

    /// <summary>Trains the regressor on faces of their own indices, from 2^41 on: no training or held-out image of a
    /// diffusion model is among them.</summary>
    /// <param name="faces">The sequence of faces, in colour.</param>
    /// <param name="images">How many, ≥ 2; each takes 48 KB while it trains at 64×64.</param>
    /// <param name="options">Steps, batch size, rate, seed; null for <see cref="AttributeRegressor.Recipe"/>.</param>
    /// <param name="progress">Receives the number of steps done, or null.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    /// <returns>The regressor, in evaluation mode; the caller disposes it. Its
    /// <see cref="AttributeRegressor.Features"/> are the features, its <see cref="AttributeRegressor.Read"/> the read
    /// factors.</returns>
    /// <exception cref="ArgumentException">The faces are grey.</exception>
    /// <exception cref="ArgumentOutOfRangeException">images is below 2.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static AttributeRegressor Fit(
        ParametricFaces faces,
        int images = 20_000,
        TrainingOptions? options = null,
        IProgress<int>? progress = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(faces);
        Guard.AtLeast(images, 2);
        if (!faces.Rgb)
            throw new ArgumentException("faces must be in colour; make them with rgb: true", nameof(faces));
        using var set = faces.Render(FirstIndex, images);
        return AttributeRegressor.Fit(set, Factors, options, progress, cancellation);
    }

    // Beyond the held-out images, which start at 2^40.
    private const long FirstIndex = 1L << 41;
}
