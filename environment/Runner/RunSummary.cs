using System.Runtime.InteropServices;
using System.Text.Json.Nodes;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>A whole run.</summary>
/// <param name="Options">What it was asked for.</param>
/// <param name="Started">When it began.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="Results">One result for each notebook that was begun, in the notebooks' order.</param>
/// <param name="Asked">How many notebooks were asked for.</param>
/// <param name="Interrupted">Whether the user stopped it.</param>
public sealed record RunSummary(
    RunOptions Options,
    DateTimeOffset Started,
    double Seconds,
    IReadOnlyList<NotebookResult> Results,
    int Asked,
    bool Interrupted
)
{
    /// <summary>Whether every cell of every notebook ran and every claim holds.</summary>
    public bool Succeeded => !Interrupted && Results.Count == Asked && Results.All(r => r.Succeeded);

    /// <summary>0 when all is well, 130 when interrupted, else 1.</summary>
    public int ExitCode =>
        Interrupted ? 130
        : Succeeded ? 0
        : 1;

    /// <summary>All claims in order.</summary>
    public IEnumerable<Claim> Claims => Results.SelectMany(r => r.Claims);

    /// <summary>How many claims have this outcome.</summary>
    public int Count(ClaimOutcome outcome) => Claims.Count(c => c.Outcome == outcome);

    /// <summary>The object of <c>run.json</c>.</summary>
    public JsonObject ToJson() =>
        new()
        {
            ["succeeded"] = Succeeded,
            ["interrupted"] = Interrupted,
            ["started"] = Started.ToString("yyyy-MM-ddTHH:mm:sszzz", System.Globalization.CultureInfo.InvariantCulture),
            ["seconds"] = Math.Round(Seconds, 1),
            ["options"] = new JsonObject
            {
                ["profile"] = Options.Profile,
                ["data"] = Options.Data,
                ["device"] = Options.Device,
                ["seed"] = Options.Seed,
                ["timeoutMinutes"] = Options.Timeout.TotalMinutes,
                ["jobs"] = Options.Jobs,
                ["threads"] = Options.Threads,
            },
            ["versions"] = new JsonObject
            {
                ["runtime"] = RuntimeInformation.FrameworkDescription,
                ["system"] = RuntimeInformation.OSDescription,
                ["architecture"] = RuntimeInformation.ProcessArchitecture.ToString(),
                ["processors"] = Environment.ProcessorCount,
            },
            ["claims"] = new JsonObject
            {
                ["hold"] = Count(ClaimOutcome.Holds),
                ["fail"] = Count(ClaimOutcome.Fails),
                ["excepted"] = Count(ClaimOutcome.Exception),
                ["skipped"] = Count(ClaimOutcome.Skipped),
            },
            ["notebooks"] = new JsonArray(
                Results
                    .Select(r =>
                        (JsonNode)
                            new JsonObject
                            {
                                ["notebook"] = r.Notebook.Stem,
                                ["title"] = r.Title,
                                ["succeeded"] = r.Succeeded,
                                ["cells"] = r.CellCount,
                                ["cellsRun"] = r.CellsRun,
                                ["seconds"] = Math.Round(r.Seconds, 2),
                                ["kernelStartSeconds"] = Math.Round(r.StartSeconds, 2),
                                ["firstOutputSeconds"] = r.FirstOutputSeconds is { } first
                                    ? Math.Round(first, 2)
                                    : null,
                                ["peakBytes"] = r.PeakBytes,
                                ["failure"] = r.Failure is not { } f
                                    ? null
                                    : new JsonObject
                                    {
                                        ["kind"] = f.Kind.ToString().ToLowerInvariant(),
                                        ["cell"] = f.Cell,
                                        ["cellId"] = f.CellId,
                                        ["source"] = f.Source,
                                        ["name"] = f.Error.Name,
                                        ["message"] = f.Error.Message,
                                    },
                                ["claimProblems"] = new JsonArray(
                                    r.ClaimProblems.Select(p => (JsonNode)JsonValue.Create(p)!).ToArray()
                                ),
                            }
                    )
                    .ToArray()
            ),
        };
}
