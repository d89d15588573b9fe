using System.ComponentModel;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using BalancedDiffusion.Reproduce.Site;
using Spectre.Console.Cli;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary><c>site</c>: builds a static site from executed notebooks.</summary>
public sealed class SiteCommand : Command<SiteCommand.Settings>
{
    /// <summary>What can be asked for.</summary>
    public sealed class Settings : SessionSettings
    {
        /// <summary>The folder of the site.</summary>
        [CommandOption("--out <DIR>")]
        [Description(
            "The folder of the site; artifacts/site when not given. Only what an earlier build wrote there is replaced."
        )]
        public string? Out { get; init; }

        /// <summary>The folder of executed notebooks.</summary>
        [CommandOption("--from <DIR>")]
        [Description(
            "The folder of executed notebooks: notebooks/ when not given, or the results of a run such as artifacts/."
        )]
        public string? From { get; init; }

        /// <summary>KaTeX.</summary>
        [CommandOption("--katex <DIR>")]
        [Description(
            "The folder of KaTeX (katex.min.js, katex.min.css, fonts/), where Debian's libjs-katex or npm's "
                + "katex is not found by itself."
        )]
        public string? Katex { get; init; }

        /// <summary>The API reference.</summary>
        [CommandOption("--api <DIR>")]
        [Description(
            "The folder of the API reference that .ci/api built, which becomes api/ of the site; artifacts/api when "
                + "not given, and no reference where that is not there."
        )]
        public string? Api { get; init; }
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var session = settings.Session;
        var workspace = session.Workspace;
        var name = settings.Out ?? "artifacts/site";
        if (string.IsNullOrWhiteSpace(name))
            throw new UsageException("--out must name a folder, was empty.");
        var output = Path.TrimEndingDirectorySeparator(
            settings.Out is null
                ? Path.Combine(workspace.DefaultOut, "site")
                : Path.GetFullPath(name, session.StartFolder)
        );
        var options = new SiteOptions(
            Notebooks(settings, workspace),
            output,
            KatexFolder.Find(settings.Katex, session.StartFolder, Environment.GetEnvironmentVariable),
            Api(settings, workspace)
        );
        var summary = new SiteBuilder(workspace).Build(options, name, cancellationToken);
        session.Say(
            $"Wrote the site: {summary}; open "
                + $"{Path.GetRelativePath(session.StartFolder, Path.Combine(output, PageTemplate.IndexPage))}"
        );
        foreach (var data in summary.Images.Where(i => !PublishCommand.MayBePublished(i)))
            session.Say($"Keep this site to yourself: pictures of {data} must not be redistributed.");
        return 0;
    }

    private static string Notebooks(Settings settings, Workspace workspace)
    {
        if (settings.From is null)
            return workspace.NotebooksFolder;
        var folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(settings.From, settings.Session.StartFolder));
        if (!Directory.Exists(folder))
            throw new UsageException($"--from names '{settings.From}', which is not a folder.");
        // The results of a run keep the notebooks in a folder of their own.
        var inside = Path.Combine(folder, "notebooks");
        return Directory.Exists(inside) && Workspace.NotebooksIn(folder).Count == 0 ? inside : folder;
    }

    private static string? Api(Settings settings, Workspace workspace)
    {
        var folder = settings.Api is null
            ? Path.Combine(workspace.DefaultOut, "api")
            : Path.TrimEndingDirectorySeparator(Path.GetFullPath(settings.Api, settings.Session.StartFolder));
        if (File.Exists(Path.Combine(folder, PageTemplate.IndexPage)))
            return folder;
        return settings.Api is null
            ? null
            : throw new UsageException(
                $"--api names '{settings.Api}', which holds no {PageTemplate.IndexPage}; build the reference with "
                    + ".ci/api."
            );
    }
}
