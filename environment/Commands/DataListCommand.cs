using System.ComponentModel;
using BalancedDiffusion.Datasets;
using Spectre.Console.Cli;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary><c>data list</c>: what this machine has of the data sets and checkpoints.</summary>
public sealed class DataListCommand : Command<DataListCommand.Settings>
{
    /// <summary>What can be asked for.</summary>
    public sealed class Settings : SessionSettings
    {
        /// <summary>Whether to read every file.</summary>
        [CommandOption("--verify")]
        [Description("Also compute the checksums of what is found.")]
        public bool Verify { get; init; }
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var report = DataReport.Create(verify: settings.Verify);
        settings.Session.Say("faces (data set): drawn by the library, always there");
        settings.Session.Say(report.ToString());
        return report.Rows.Any(r => r.Problems.Count > 0) ? 1 : 0;
    }
}
