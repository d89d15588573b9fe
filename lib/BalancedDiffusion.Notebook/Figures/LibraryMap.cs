using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Datasets.Mixtures;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Generation;
using BalancedDiffusion.Memorization;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Statistics;
using BalancedDiffusion.Steering;
using BalancedDiffusion.Theory;
using BalancedDiffusion.Training;
using Newtonsoft.Json.Linq;
using Plotly.NET;

namespace BalancedDiffusion.Notebook;

/// <summary>
/// The library on one page: a box for each folder with the types to begin with, in the order in which data flow through
/// them. The names are the types' own, so that a type that is renamed or removed breaks the build and not the map.
/// </summary>
public static class LibraryMap
{
    /// <summary>The height to show it at, pixels.</summary>
    public const int Height = 680;

    private const int Rows = 4;

    private const double Width = 0.19,
        Tall = 0.2,
        GapX = (1 - 4 * Width) / 3,
        GapY = (1 - Rows * Tall) / (Rows - 1);

    /// <summary>The folders: what each is for, and its first types.</summary>
    public static IReadOnlyList<LibraryFolder> Folders { get; } =
    [
        new(
            "Datasets",
            "images to learn from",
            [nameof(ParametricFaces), nameof(GaussianMixture), nameof(FashionMnist), nameof(CelebA)],
            0,
            0
        ),
        new(
            "Noise",
            "noise schedules",
            [nameof(KarrasSchedule), nameof(VpLinearSchedule), nameof(LogNormalSigma)],
            1,
            0
        ),
        new("Denoisers", "remove noise", [nameof(EmpiricalDenoiser), nameof(ReluDae), nameof(ReluDiffusion)], 2, 0),
        new("Training", "fit weights", [nameof(Trainer), nameof(TrainingRecipes), nameof(OptimizerOptions)], 3, 0),
        new(
            "Representations",
            "record activations",
            [nameof(ActivationRecorder), nameof(Spikiness), nameof(WeightGallery)],
            3,
            1
        ),
        new(
            "Memorization",
            "detect replication",
            [nameof(SpikinessDetector), nameof(GapRatio), nameof(DetectionBenchmark)],
            2,
            1
        ),
        new(
            "Steering",
            "add a direction",
            [nameof(SteeringDirection), nameof(SteeredDenoiser), nameof(SteeringWindow)],
            1,
            1
        ),
        new("Sampling", "generate samples", [nameof(HeunSampler), nameof(DpmSolverSampler), nameof(Trajectory)], 0, 1),
        new(
            "Notebook",
            "figures, tables, claims",
            [nameof(Lab), nameof(Figure), nameof(ImageGrid), nameof(Claims)],
            0,
            2
        ),
        new("Networks", "deep denoisers", [nameof(SongUNet), nameof(Dit), nameof(EdmPreconditioner)], 1, 2),
        new("Checkpoints", "files of weights", [nameof(Safetensors), nameof(PthCheckpoint), nameof(WeightFiles)], 2, 2),
        new(
            "Protocols",
            "settings of papers",
            [nameof(DeepPreset), nameof(PretrainedProtocol), nameof(DoseResponse)],
            3,
            2
        ),
        new(
            "Theory",
            "closed forms",
            [nameof(BlockMinimizer), nameof(ExactExpectedLoss), nameof(MinimizerCertificate)],
            0,
            3
        ),
        new(
            "Statistics",
            "curves and intervals",
            [nameof(RocCurve), nameof(ConfidenceInterval), nameof(GroupDifference)],
            1,
            3
        ),
        new("Generation", "generated images", [nameof(ImageSet), nameof(GenerationManifest)], 2, 3),
        new("Runtime", "device, seeds, files", [nameof(ComputeDevice), nameof(TorchRuntime), nameof(Seeds)], 3, 3),
    ];

    private static readonly (string From, string Verb, string To)[] Arrows =
    [
        ("Datasets", "noised", "Noise"),
        ("Noise", "denoised", "Denoisers"),
        ("Denoisers", "trained", "Training"),
        ("Training", "recorded", "Representations"),
        ("Representations", "detected", "Memorization"),
        ("Memorization", "steered", "Steering"),
        ("Steering", "sampled", "Sampling"),
        ("Sampling", "shown", "Notebook"),
    ];

    /// <summary>Draws the map.</summary>
    /// <returns>A chart without axes for <see cref="Figure.Show"/>, to be shown at <see cref="Height"/>.</returns>
    public static GenericChart Draw()
    {
        var shapes = new JArray(Folders.Select(Box));
        var words = new JArray(Folders.Select(Words));
        foreach (var (from, verb, to) in Arrows)
        {
            var (start, end) = (
                Folders.Single(folder => folder.Name == from),
                Folders.Single(folder => folder.Name == to)
            );
            foreach (var shape in Arrow(start, end))
                shapes.Add(shape);
            words.Add(Verb(start, end, verb));
        }
        var hidden = new JObject { ["visible"] = false };
        return Plot.Chart(
            [],
            hidden,
            (JObject)hidden.DeepClone(),
            new JObject { ["shapes"] = shapes, ["annotations"] = words }
        );
    }

    private static double Left(LibraryFolder folder) => folder.Column * (Width + GapX);

    private static double Bottom(LibraryFolder folder) => (Rows - 1 - folder.Row) * (Tall + GapY);

    private static bool IsOfTheFlow(LibraryFolder folder) =>
        Arrows.Any(arrow => arrow.From == folder.Name || arrow.To == folder.Name);

    private static JObject Box(LibraryFolder folder) =>
        new()
        {
            ["type"] = "rect",
            ["xref"] = "paper",
            ["yref"] = "paper",
            ["x0"] = Left(folder),
            ["x1"] = Left(folder) + Width,
            ["y0"] = Bottom(folder),
            ["y1"] = Bottom(folder) + Tall,
            ["fillcolor"] = IsOfTheFlow(folder) ? "#E8F1F8" : "#F4F4F4",
            ["line"] = new JObject
            {
                ["color"] = IsOfTheFlow(folder) ? Palette.Colour(0) : Palette.Reference,
                ["width"] = 1.5,
            },
        };

    private static JObject Words(LibraryFolder folder)
    {
        return Text(
            $"<b>{folder.Name}</b><br><i>{folder.Purpose}</i><br>{string.Join("<br>", folder.Types)}",
            Left(folder) + Width / 2,
            Bottom(folder) + Tall / 2,
            12
        );
    }

    private static JObject Verb(LibraryFolder from, LibraryFolder to, string verb) =>
        from.Row == to.Row
            ? Text(verb, (Left(from) + Left(to) + Width) / 2, Bottom(from) + Tall / 2 + 0.035, 10.5)
            : Text(verb, Left(from) + Width / 2 + 0.05, Bottom(to) + Tall + GapY / 2, 10.5);

    private static JObject Text(string text, double x, double y, double size) =>
        new()
        {
            ["text"] = text,
            ["x"] = x,
            ["y"] = y,
            ["xref"] = "paper",
            ["yref"] = "paper",
            ["xanchor"] = "center",
            ["yanchor"] = "middle",
            ["showarrow"] = false,
            ["font"] = new JObject { ["size"] = size },
        };

    private static string Triangle((double X, double Y) tip, (double X, double Y) a, (double X, double Y) b) =>
        FormattableString.Invariant($"M {tip.X:F4} {tip.Y:F4} L {a.X:F4} {a.Y:F4} L {b.X:F4} {b.Y:F4} Z");

    // A line from edge to edge with a triangle at its end.
    private static IEnumerable<JObject> Arrow(LibraryFolder from, LibraryFolder to)
    {
        const double headLong = 0.012,
            headWide = 0.011;
        double x0,
            y0,
            x1,
            y1;
        string head;
        if (from.Row == to.Row)
        {
            var sign = Math.Sign(to.Column - from.Column);
            (x0, x1) = sign > 0 ? (Left(from) + Width, Left(to)) : (Left(from), Left(to) + Width);
            y0 = y1 = Bottom(from) + Tall / 2;
            var back = x1 - sign * headLong;
            head = Triangle((x1, y1), (back, y1 - headWide), (back, y1 + headWide));
        }
        else
        {
            x0 = x1 = Left(from) + Width / 2;
            (y0, y1) = (Bottom(from), Bottom(to) + Tall);
            var back = y1 + 1.7 * headWide;
            head = Triangle((x1, y1), (x1 - headLong * 0.7, back), (x1 + headLong * 0.7, back));
        }
        yield return new JObject
        {
            ["type"] = "line",
            ["xref"] = "paper",
            ["yref"] = "paper",
            ["x0"] = x0,
            ["y0"] = y0,
            ["x1"] = x1,
            ["y1"] = y1,
            ["line"] = new JObject { ["color"] = Palette.Colour(0), ["width"] = 2 },
        };
        yield return new JObject
        {
            ["type"] = "path",
            ["xref"] = "paper",
            ["yref"] = "paper",
            ["path"] = head,
            ["fillcolor"] = Palette.Colour(0),
            ["line"] = new JObject { ["width"] = 0 },
        };
    }
}
