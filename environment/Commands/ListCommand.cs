using BalancedDiffusion.Reproduce.Runner;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using Spectre.Console;
using Spectre.Console.Cli;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary><c>list</c>: the notebooks.</summary>
public sealed class ListCommand : Command<SessionSettings>
{
    /// <inheritdoc/>
    public override int Execute(CommandContext context, SessionSettings settings, CancellationToken cancellationToken)
    {
        var workspace = settings.Session.Workspace;
        var notebooks = workspace.Notebooks();
        if (notebooks.Count == 0)
        {
            settings.Session.Say("The folder notebooks/ holds no numbered notebook.");
            return 0;
        }
        var timings = Timings.Load(Path.Combine(workspace.DefaultOut, "timings.json"));
        foreach (var notebook in notebooks)
        {
            string title,
                time = "";
            try
            {
                var document = NotebookDocument.Load(notebook.File);
                title = document.Title ?? "(no title)";
                var cells = document.CodeCells.Select(c => c.Id).OfType<string>().ToList();
                if (cells.Any(c => timings.Cell("quick faces auto", notebook.Stem, c) is not null))
                    time = $"  ({Clock.Format(timings.Estimate("quick faces auto", notebook.Stem, cells))} last time)";
            }
            catch (FormatException e)
            {
                title = $"cannot be read: {e.Message}";
            }
            settings.Session.Say($"{notebook.Stem, -32} {title}{time}");
        }
        return 0;
    }
}
