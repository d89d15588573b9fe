using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace BalancedDiffusion.Notebook;

/// <summary>
/// The claims of a notebook: each compares a measured number with a bound, shows one row, and is recorded. A claim that
/// does not hold is shown as such and the notebook runs on; the program that runs the notebooks fails the run.
/// </summary>
public static class Claims
{
    private static readonly JsonSerializerOptions OneLine = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static readonly List<Claim> Recorded = [];
    private static readonly Stopwatch Clock = new();
    private static string? notebook;
    private static string? path;

    /// <summary>The claims made so far, in order.</summary>
    public static IReadOnlyList<Claim> All => Recorded;

    /// <summary>Checks a claim, shows it and records it.</summary>
    /// <param name="id">Its name within the notebook: letters, digits, '-', '.' and '_'.</param>
    /// <param name="statement">What is claimed, one sentence with its unit.</param>
    /// <param name="measured">The measured number; NaN and infinity never hold.</param>
    /// <param name="relation">How it must stand to the bound, e.g. <see cref="Relation.AtMost"/> or
    /// <c>Relation.Within(0.01)</c>.</param>
    /// <param name="bound">The bound, finite.</param>
    /// <param name="exception">Where the statement is known not to hold on what this run computes with (a data set,
    /// say): why, one sentence. If it fails then, number and bound are shown and recorded with that sentence, and it
    /// counts neither as holding nor as failing; if it holds, it holds. Null where it must hold.</param>
    /// <returns>The claim as recorded.</returns>
    /// <exception cref="ArgumentException">The id or statement is empty, the id is used already, or the bound is not
    /// finite.</exception>
    /// <exception cref="InvalidOperationException">The notebook was not started.</exception>
    public static Claim Check(
        string id,
        string statement,
        double measured,
        Relation relation,
        double bound,
        string? exception = null
    )
    {
        ArgumentNullException.ThrowIfNull(relation);
        if (!double.IsFinite(bound))
            throw new ArgumentException(
                $"the bound of claim '{id}' must be finite, was {bound.ToString(CultureInfo.InvariantCulture)}",
                nameof(bound)
            );
        var holds = relation.Holds(measured, bound);
        return Record(
            id,
            statement,
            seconds => new Claim(
                notebook!,
                id,
                statement,
                measured,
                relation.ToSymbol(bound),
                bound,
                holds,
                seconds,
                holds ? null : exception
            )
        );
    }

    /// <summary>Records that a claim was not measured, e.g. because its data are absent; it counts neither as holding
    /// nor as failing.</summary>
    /// <param name="id">Its name within the notebook.</param>
    /// <param name="reason">Why, one sentence that says how to change that.</param>
    public static Claim Skip(string id, string reason) =>
        Record(
            id,
            reason,
            seconds => new Claim(notebook!, id, reason, double.NaN, "", double.NaN, false, seconds, reason)
        );

    /// <summary>Shows all claims made so far, and how many hold.</summary>
    public static void Table()
    {
        RequireStarted();
        int Count(ClaimOutcome outcome) => Recorded.Count(claim => claim.Outcome == outcome);
        var (held, failed) = (Count(ClaimOutcome.Holds), Count(ClaimOutcome.Fails));
        var (excepted, skipped) = (Count(ClaimOutcome.Exception), Count(ClaimOutcome.Skipped));
        var sum =
            $"{held} of {held + failed} claims hold"
            + $"{(excepted > 0 ? $", {excepted} known not to hold here" : "")}"
            + $"{(skipped > 0 ? $", {skipped} skipped" : "")}";
        var record = new JsonObject
        {
            ["claims"] = new JsonArray([.. Recorded.Select(claim => claim.ToJson(withSeconds: false))]),
            ["sum"] = sum,
        };
        Show(Recorded, sum, (Claim.TableMimeType, record.ToJsonString(OneLine)));
    }

    internal static void Begin(string name, string? file)
    {
        Recorded.Clear();
        (notebook, path) = (name, file);
        Clock.Restart();
    }

    private static Claim Record(string id, string statement, Func<double, Claim> make)
    {
        RequireStarted();
        if (string.IsNullOrEmpty(id) || id.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '.' or '_')))
            throw new ArgumentException(
                $"the id of a claim must be letters, digits, '-', '.' and '_', was '{id}'",
                nameof(id)
            );
        if (string.IsNullOrWhiteSpace(statement))
            throw new ArgumentException(
                $"the claim '{id}' needs a sentence that says what is claimed",
                nameof(statement)
            );
        var earlier = Recorded.FindIndex(claim => claim.Id == id);
        // A cell that is run again by hand makes its claims again; in a recorded run two claims of one name are a
        // mistake.
        if (earlier >= 0 && (path is not null || Recorded[earlier].Statement != statement))
            throw new ArgumentException(
                $"the claim id '{id}' is used already in this notebook; give each claim an id of its own",
                nameof(id)
            );
        var claim = make(Clock.Elapsed.TotalSeconds);
        Append(claim);
        if (earlier >= 0)
            Recorded[earlier] = claim;
        else
            Recorded.Add(claim);
        Show([claim], null, (Claim.MimeType, claim.ToJson(withSeconds: false).ToJsonString(OneLine)));
        Clock.Restart();
        return claim;
    }

    private static void Append(Claim claim)
    {
        if (path is null)
            return;
        try
        {
            if (Path.GetDirectoryName(path) is { Length: > 0 } folder)
                Directory.CreateDirectory(folder);
            using var file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
            file.Write(Encoding.UTF8.GetBytes(claim.ToJson().ToJsonString(OneLine) + "\n"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidOperationException(
                $"the claim '{claim.Id}' cannot be written to the file that BALANCED_DIFFUSION_CLAIMS names "
                    + $"({e.Message.Split('\n')[0]}); name a file in a folder that can be written"
            );
        }
    }

    private static void RequireStarted()
    {
        if (notebook is null)
            throw new InvalidOperationException(
                "the notebook has not been started; call Lab.Start(\"its-name\") in the first cell"
            );
    }

    private static void Show(IReadOnlyList<Claim> shown, string? sum, (string Mime, string Value) record)
    {
        string[] header = ["", "claim", "measured", "must be"];
        var rows = shown
            .Select(claim => new[] { claim.OutcomeText, claim.StatementText, claim.MeasuredText, claim.BoundText })
            .ToList();
        Output.ShowVerdicts(header, rows, sum, record);
    }

    internal static string Number(double value) =>
        value == Math.Floor(value) && Math.Abs(value) < 1e6
            ? value.ToString("0", CultureInfo.InvariantCulture)
            : value.ToString(Math.Abs(value) is >= 1e-3 and < 1e5 ? "G4" : "0.###e0", CultureInfo.InvariantCulture);
}
