using BalancedDiffusion.Datasets;
using BalancedDiffusion.Reproduce.Runner.Linting;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using Spectre.Console.Cli;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary><c>publish</c>: runs notebooks and writes their outputs back, all of them or none.</summary>
public sealed class PublishCommand : AsyncCommand<RunSettings>
{
    /// <inheritdoc/>
    public override async Task<int> ExecuteAsync(
        CommandContext context,
        RunSettings settings,
        CancellationToken cancellationToken
    )
    {
        var session = settings.Session;
        var workspace = session.Workspace;
        if (!MayBePublished(settings.Data))
            throw new UsageException(
                $"pictures of {settings.Data} must not be redistributed, so outputs with them are not written "
                    + $"into notebooks/; use 'run --data {settings.Data}', which keeps them in artifacts/."
            );
        var notebooks = workspace.Select(settings.Numbers);
        var before = notebooks.ToDictionary(n => n.File, n => File.ReadAllText(n.File));
        var summary = await RunCommand.RunAsync(
            settings,
            workspace,
            notebooks,
            settings.ToOptions(workspace, notebooks.Count, session.Say),
            cancellationToken
        );
        if (!summary.Succeeded)
        {
            session.Say("Nothing was written into notebooks/: every cell must run and every claim hold first.");
            return summary.ExitCode;
        }
        var linter = new NotebookLinter(workspace.Root);
        var findings = summary.Results.SelectMany(r => linter.Check(r.Notebook.Stem, r.Document!.ToJson())).ToList();
        foreach (var finding in findings)
            session.Say(finding.ToString());
        if (findings.Any(f => f.IsLeak))
        {
            session.Say("Nothing was written into notebooks/: the outputs name things of this machine.");
            return 1;
        }
        if (notebooks.FirstOrDefault(n => File.ReadAllText(n.File) != before[n.File]) is { } changed)
        {
            session.Say(
                $"Nothing was written into notebooks/: {changed.Stem} was edited during the run; publish again."
            );
            return 1;
        }
        Write(summary.Results.ToDictionary(r => r.Notebook.File, r => r.Document!.ToJson()));
        session.Say(
            $"Wrote the outputs of {summary.Results.Count} notebook(s) into "
                + $"notebooks/.{(findings.Count > 0 ? $" {findings.Count} finding(s) above remain for 'check'." : "")}"
        );
        return 0;
    }

    /// <summary>Whether pictures of a data set may be given to others; what the manifest does not know is drawn by the
    /// library itself.</summary>
    internal static bool MayBePublished(string data) =>
        DataManifest.Load().Entries.Where(e => e.Name == data).All(e => e.Redistributable);

    /// <summary>Writes all files or none: first every new text beside its place, then the moves, which are undone when
    /// one fails.</summary>
    internal static void Write(IReadOnlyDictionary<string, string> files)
    {
        var parts = files.ToDictionary(f => f.Key, f => f.Key + ".part");
        var old = files.Keys.ToDictionary(f => f, File.ReadAllBytes);
        var moved = new List<string>();
        try
        {
            foreach (var (file, text) in files)
                File.WriteAllText(parts[file], text);
            foreach (var file in files.Keys)
            {
                File.Move(parts[file], file, overwrite: true);
                moved.Add(file);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            foreach (var file in moved)
                File.WriteAllBytes(file, old[file]);
            foreach (var part in parts.Values)
                File.Delete(part);
            throw;
        }
    }
}
