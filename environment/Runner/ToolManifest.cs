using System.Diagnostics;
using System.Text.Json;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>The pinned notebook kernel: a local .NET tool named in <c>dotnet-tools.json</c>.</summary>
public sealed class ToolManifest
{
    private const string Package = "microsoft.dotnet-interactive";
    private readonly string root;

    private ToolManifest(string root, string version) => (this.root, Version) = (root, version);

    /// <summary>The version the manifest pins.</summary>
    public string Version { get; }

    /// <summary>Reads the manifest at the root of the repository.</summary>
    /// <exception cref="UsageException">It is missing or does not name the tool.</exception>
    public static ToolManifest Load(Workspace workspace)
    {
        var file = Path.Combine(workspace.Root, "dotnet-tools.json");
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllText(file));
            if (
                json.RootElement.TryGetProperty("tools", out var tools)
                && tools.TryGetProperty(Package, out var tool)
                && tool.TryGetProperty("version", out var version)
                && version.GetString() is { Length: > 0 } pinned
            )
                return new ToolManifest(workspace.Root, pinned);
        }
        catch (Exception e)
            when (e is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException)
        { /* said below */
        }
        throw new UsageException(
            $"dotnet-tools.json at the root of the repository does not name {Package} with a version; restore "
                + "the file from version control."
        );
    }

    /// <summary>The tool's assembly on this machine, or null where it has not been restored.</summary>
    public string? Executable
    {
        get
        {
            var home = Environment.GetEnvironmentVariable("DOTNET_CLI_HOME") is { Length: > 0 } own
                ? own
                : Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
            var cache = Path.Combine(home, ".dotnet", "toolResolverCache", "1", Package);
            try
            {
                if (!File.Exists(cache))
                    return null;
                using var json = JsonDocument.Parse(File.ReadAllText(cache));
                foreach (var entry in json.RootElement.EnumerateArray())
                    if (
                        entry.GetProperty("Version").GetString() == Version
                        && entry.GetProperty("PathToExecutable").GetString() is { } path
                        && File.Exists(path)
                    )
                        return path;
            }
            catch (Exception e)
                when (e
                        is IOException
                            or UnauthorizedAccessException
                            or JsonException
                            or InvalidOperationException
                            or KeyNotFoundException
                )
            { /* as if not restored */
            }
            return null;
        }
    }

    /// <summary>Restores the tool where that has not been done.</summary>
    /// <param name="say">Told in one sentence when there is something to do.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="InvalidOperationException">The tool could not be restored; the message holds the
    /// reason.</exception>
    public async Task EnsureAsync(Action<string> say, CancellationToken cancellation)
    {
        if (Executable is not null)
            return;
        say($"Restoring the notebook kernel ({Package} {Version}) …");
        var start = new ProcessStartInfo("dotnet", ["tool", "restore"])
        {
            WorkingDirectory = root,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        using var process = Process.Start(start)!;
        var (output, errors) = (
            process.StandardOutput.ReadToEndAsync(cancellation),
            process.StandardError.ReadToEndAsync(cancellation)
        );
        try
        {
            await process.WaitForExitAsync(cancellation);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
        if (process.ExitCode != 0)
        {
            var said =
                $"{await errors}\n{await output}"
                    .Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
                    .FirstOrDefault()
                ?? "no reason was given";
            throw new InvalidOperationException(
                $"the notebook kernel could not be restored ({said}); check the network and try 'dotnet tool restore'."
            );
        }
    }
}
