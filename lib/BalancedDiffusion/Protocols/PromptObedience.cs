using BalancedDiffusion.Datasets.Faces;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Statistics;
using TorchSharp;

namespace BalancedDiffusion.Protocols;

/// <summary>
/// Whether pictures show what their captions say, read by an attribute regressor that took no part in making them.
/// Glasses, hat and beard are shown from a reading of 0.5; old and young beyond the middle between their words' limits
/// and those of middle age (<see cref="FaceCaptions.Visible"/>).
/// </summary>
/// <param name="Concept">What captions say.</param>
/// <param name="Prompts">How many of them say it.</param>
/// <param name="Obeyed">How many of their pictures show it.</param>
public sealed record PromptObedience(string Concept, int Prompts, int Obeyed)
{
    private const double Old = (0.6 + 0.73) / 2,
        Young = (0.27 + 0.4) / 2;

    private static readonly (
        string Name,
        string Factor,
        Func<FaceCaption, bool> Says,
        Func<double, bool> Shows
    )[] All =
    [
        ("glasses", "Glasses", c => c.Eyewear is not null, v => v >= 0.5),
        ("hat", "Hat", c => c.Hat == true, v => v >= 0.5),
        ("beard", "Beard", c => c.Beard == true, v => v >= 0.5),
        ("old", "Age", c => c.Age == "old", v => v >= Old),
        ("young", "Age", c => c.Age == "young", v => v <= Young),
    ];

    /// <summary>What is looked for: glasses or sunglasses, a hat, a beard, old and young.</summary>
    public static IReadOnlyList<string> Concepts { get; } = Array.AsReadOnly([.. All.Select(c => c.Name)]);

    /// <summary>The share of pictures that show it, with its 95 % interval; NaN where no caption says it.</summary>
    public ConfidenceInterval Share =>
        Prompts == 0
            ? new ConfidenceInterval(double.NaN, double.NaN, double.NaN, 0.95)
            : ConfidenceInterval.OfShare(Obeyed, Prompts);

    /// <summary>Reads pictures and compares them with their captions.</summary>
    /// <param name="regressor">It must read Glasses, Hat, Beard and Age, as <see cref="FaceFeatures"/> do.</param>
    /// <param name="images">(n, channels, height, width), of the regressor's shape.</param>
    /// <param name="captions">n captions.</param>
    /// <returns>One row a concept, in the order of <see cref="Concepts"/>.</returns>
    /// <exception cref="ArgumentException">The regressor lacks a factor, or there are not as many captions as
    /// images.</exception>
    public static IReadOnlyList<PromptObedience> Of(
        AttributeRegressor regressor,
        torch.Tensor images,
        IReadOnlyList<string> captions
    )
    {
        ArgumentNullException.ThrowIfNull(regressor);
        using var read = regressor.Read(images);
        return Of(regressor.Names, read, captions);
    }

    /// <summary>The same from factors that were read or are known.</summary>
    /// <param name="names">The factors' names.</param>
    /// <param name="factors">(n, names), floating point.</param>
    /// <param name="captions">n captions.</param>
    /// <exception cref="ArgumentException">A factor lacks, or there are not as many captions as rows.</exception>
    public static IReadOnlyList<PromptObedience> Of(
        IReadOnlyList<string> names,
        torch.Tensor factors,
        IReadOnlyList<string> captions
    )
    {
        ArgumentNullException.ThrowIfNull(names);
        ArgumentNullException.ThrowIfNull(captions);
        Guard.Shape(factors, [-1, names.Count]);
        if (captions.Count != factors.shape[0])
            throw new ArgumentException(
                $"captions must be one for each of {factors.shape[0]} pictures, were {captions.Count}",
                nameof(captions)
            );
        var missing = All.Select(c => c.Factor).Except(names).ToArray();
        if (missing.Length > 0)
            throw new ArgumentException(
                $"the factors must hold {Listing.Of(missing)}; take a regressor of FaceFeatures",
                nameof(names)
            );
        using var scope = torch.NewDisposeScope();
        var values = factors.to_type(torch.float64).cpu();
        FaceCaption[] said = [.. captions.Select(FaceCaptions.Parse)];
        return
        [
            .. All.Select(concept =>
            {
                var column = values.select(1, names.ToList().IndexOf(concept.Factor)).contiguous();
                var shown = column.data<double>().ToArray();
                int[] which = [.. Enumerable.Range(0, said.Length).Where(i => concept.Says(said[i]))];
                return new PromptObedience(concept.Name, which.Length, which.Count(i => concept.Shows(shown[i])));
            }),
        ];
    }
}
