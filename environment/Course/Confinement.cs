using System.Diagnostics;
using BalancedDiffusion.Reproduce.Runner.Kernel;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Reproduce.Course;

/// <summary>
/// Where a submission runs: a folder of its own that is also its home, few of this process's variables, and, where
/// Linux lets a user do so, no network, and the repository and the home only to read and the submissions and solutions
/// not at all. Elsewhere the code can reach what the user who grades can.
/// </summary>
public sealed class Confinement
{
    // What a process needs to start, and what says how many threads it takes.
    private static readonly string[] Inherited =
    [
        "PATH",
        "DOTNET_ROOT",
        "DOTNET_ROOT_X64",
        "LANG",
        "LC_ALL",
        "TZ",
        "SystemRoot",
        "OMP_NUM_THREADS",
    ];
    private readonly IReadOnlyList<string> launcher;

    private Confinement(IReadOnlyList<string> launcher, string notice) => (this.launcher, Notice) = (launcher, notice);

    /// <summary>What it keeps out, one sentence.</summary>
    public string Notice { get; }

    /// <summary>The best that this machine can do.</summary>
    /// <param name="readOnly">Folders that submissions may only read.</param>
    /// <param name="hidden">Folders that they may not see.</param>
    public static Confinement Create(IReadOnlyList<string> readOnly, IReadOnlyList<string> hidden)
    {
        ArgumentNullException.ThrowIfNull(readOnly);
        ArgumentNullException.ThrowIfNull(hidden);
        // A submission's own folder must stay open to it.
        var kept = readOnly
            .Distinct()
            .Where(f =>
                !Path.GetFullPath(Path.GetTempPath())
                    .StartsWith(f + Path.DirectorySeparatorChar, StringComparison.Ordinal)
            )
            .ToList();
        string[] network = ["unshare", "--net", "--map-root-user"];
        var mounts = kept.Select(f => $"mount --bind {Quote(f)} {Quote(f)} && mount -o remount,bind,ro {Quote(f)}")
            .Concat(hidden.Distinct().Select(f => $"mount -t tmpfs -o ro,size=4k none {Quote(f)}"));
        string[] folders =
        [
            "unshare",
            "--net",
            "--mount",
            "--map-root-user",
            "sh",
            "-c",
            string.Join(" && ", [.. mounts, "cd \"$PWD\"", "exec \"$@\""]),
            "sh",
        ];
        if (Works(folders))
            return new Confinement(
                folders,
                $"Submissions run without network; they can read but not change {string.Join(", ", kept)}, "
                    + "and see neither solutions nor each other."
            );
        if (Works(network))
            return new Confinement(
                network,
                "Submissions run without network; files are not kept from them on this system, so grade as a "
                    + "user who may lose what it owns."
            );
        return new Confinement(
            [],
            "This system does not let a user cut off the network or files ('unshare' of Linux is missing or "
                + "not allowed): submissions run with your own rights, so grade as a user who may lose what it "
                + "owns."
        );
    }

    /// <summary>What a kernel is given to run in.</summary>
    /// <param name="start">The folder that the kernel starts in.</param>
    /// <param name="own">The submission's own folder, which exists.</param>
    public KernelEnvironment KernelEnvironmentFor(string start, string own)
    {
        var variables = new Dictionary<string, string>();
        foreach (var name in new[] { "HOME", "USERPROFILE", "DOTNET_CLI_HOME", "TMPDIR", "TEMP", "TMP" })
            variables[name] = own;
        if (Directory.Exists(UserFolders.Cache))
            variables["BALANCED_DIFFUSION_CACHE"] = UserFolders.Cache;
        return new KernelEnvironment(start)
        {
            Launcher = launcher,
            Inherited = Inherited,
            Variables = variables,
        };
    }

    private static bool Works(string[] launcher)
    {
        if (!OperatingSystem.IsLinux())
            return false;
        try
        {
            using var trial = Process.Start(
                new ProcessStartInfo(launcher[0], [.. launcher[1..], "true"])
                {
                    RedirectStandardError = true,
                    RedirectStandardOutput = true,
                }
            )!;
            trial.StandardError.ReadToEnd();
            trial.WaitForExit();
            return trial.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false; // there is no such command
        }
    }

    private static string Quote(string path) => $"'{path.Replace("'", "'\\''")}'";
}
