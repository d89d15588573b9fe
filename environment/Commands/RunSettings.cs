using System.ComponentModel;
using System.Globalization;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Reproduce.Runner;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using Spectre.Console;
using Spectre.Console.Cli;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary>What <c>run</c> and <c>publish</c> can be asked for.</summary>
public sealed class RunSettings : SessionSettings
{
    private static readonly string[] Profiles = ["quick", "full"],
        DataSets = [.. ImageSources.Names],
        Devices = ["auto", "cpu", "cuda"];

    /// <summary>Numbers and ranges.</summary>
    [CommandArgument(0, "[numbers]")]
    [Description("Notebooks by number (3) or range (0-2); all of them when none is given.")]
    public string[] Numbers { get; init; } = [];

    /// <summary>How much work.</summary>
    [CommandOption("--profile <PROFILE>")]
    [Description("quick: minutes on two cores; full: the sizes of the paper.")]
    [DefaultValue("quick")]
    public string Profile { get; init; } = "quick";

    /// <summary>Which images.</summary>
    [CommandOption("--data <DATA>")]
    [Description("The images: faces (drawn by the library), fashion-mnist or celeba.")]
    [DefaultValue("faces")]
    public string Data { get; init; } = "faces";

    /// <summary>Where to compute.</summary>
    [CommandOption("--device <DEVICE>")]
    [Description("auto, cpu or cuda.")]
    [DefaultValue("auto")]
    public string Device { get; init; } = "auto";

    /// <summary>The seed.</summary>
    [CommandOption("--seed <N>")]
    [Description("The seed all randomness starts from, a whole number; the notebooks' own when not given.")]
    public string? Seed { get; init; }

    /// <summary>The folder of results.</summary>
    [CommandOption("--out <DIR>")]
    [Description(
        "The folder for results; artifacts/ of the repository when not given. Results of an earlier run in "
            + "it are replaced."
    )]
    public string? Out { get; init; }

    /// <summary>The time limit.</summary>
    [CommandOption("--timeout <MIN>")]
    [Description(
        "Minutes a cell may compute before it is given up. When not given, ten times what an earlier run "
            + "measured, at least 10; where none did, 30 for quick and 600 for full. A cell that computes "
            + "nothing for 5 minutes is given up in any case."
    )]
    public string? Timeout { get; init; }

    /// <summary>How many notebooks at a time.</summary>
    [CommandOption("--jobs <N>")]
    [Description(
        "Notebooks at a time, which share the cores; 1 runs one after another with all of them. One a core "
            + "and at most 4 when not given, 1 with cuda; fewer where 3 GB of memory for each are not free. "
            + "Another number can change last digits."
    )]
    public string? Jobs { get; init; }

    /// <inheritdoc/>
    public override ValidationResult Validate()
    {
        if (!Profiles.Contains(Profile))
            return Error("--profile", Profile, Profiles);
        if (!DataSets.Contains(Data))
            return Error("--data", Data, DataSets);
        if (!Devices.Contains(Device))
            return Error("--device", Device, Devices);
        if (
            Seed is not null
            && !(
                long.TryParse(Seed, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var seed)
                && seed >= 0
            )
        )
            return ValidationResult.Error($"--seed must be a whole number from 0 to {long.MaxValue}, was '{Seed}'.");
        if (
            Timeout is not null
            && !(
                double.TryParse(Timeout, NumberStyles.Float, CultureInfo.InvariantCulture, out var minutes)
                && minutes is > 0 and <= 10_000
            )
        )
            return ValidationResult.Error($"--timeout must be minutes above 0 and at most 10000, was '{Timeout}'.");
        if (
            Jobs is not null
            && !(
                int.TryParse(Jobs, NumberStyles.None, CultureInfo.InvariantCulture, out var jobs)
                && jobs is >= 1 and <= 64
            )
        )
            return ValidationResult.Error($"--jobs must be a whole number from 1 to 64, was '{Jobs}'.");
        if (Out is not null && string.IsNullOrWhiteSpace(Out))
            return ValidationResult.Error("--out must name a folder, was empty.");
        return ValidationResult.Success();
    }

    /// <summary>The options of the run, which share the machine as it is now.</summary>
    /// <param name="workspace">The repository.</param>
    /// <param name="notebooks">How many notebooks are to run.</param>
    /// <param name="say">Told in one sentence where memory is short.</param>
    /// <exception cref="UsageException">The folder for results cannot be used.</exception>
    public RunOptions ToOptions(Workspace workspace, int notebooks, Action<string> say)
    {
        var output = Path.GetFullPath(Out ?? workspace.DefaultOut, Session.StartFolder);
        if (File.Exists(output))
            throw new UsageException($"--out must name a folder, but '{Out}' is a file.");
        var places = new[] { output, Path.Combine(output, "notebooks"), Path.Combine(output, "figures") };
        if (places.Any(workspace.IsInNotebooks))
            throw new UsageException(
                $"--out '{Out}' would overwrite the notebooks themselves; name a folder of its own, such as artifacts/."
            );
        var timeout = Timeout is null
            ? (Profile == "full" ? 600 : 30)
            : double.Parse(Timeout, CultureInfo.InvariantCulture);
        var onGpu = Device == "cuda" || (Device == "auto" && workspace.IsBuiltForCuda);
        var plan = JobPlan.Choose(
            Jobs is null ? null : int.Parse(Jobs, CultureInfo.InvariantCulture),
            notebooks,
            Environment.ProcessorCount,
            MemorySize.Free(),
            onGpu,
            Environment.GetEnvironmentVariable("OMP_NUM_THREADS")
        );
        if (plan.Notice is { } notice)
            say(notice);
        return new RunOptions(
            Profile,
            Data,
            Device,
            Seed is null ? null : long.Parse(Seed, CultureInfo.InvariantCulture),
            output,
            TimeSpan.FromMinutes(timeout),
            plan.Jobs,
            plan.Threads
        )
        {
            IsTimeoutFixed = Timeout is not null,
        };
    }

    private static ValidationResult Error(string option, string was, string[] allowed) =>
        ValidationResult.Error($"{option} must be {string.Join(", ", allowed[..^1])} or {allowed[^1]}, was '{was}'.");
}
