using System.ComponentModel;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using BalancedDiffusion.Reproduce.Runner;
using BalancedDiffusion.Reproduce.Runner.Kernel;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using Spectre.Console.Cli;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary><c>kernel install</c>: makes the pinned kernel known to Jupyter.</summary>
public sealed class KernelInstallCommand : AsyncCommand<KernelInstallCommand.Settings>
{
    private static readonly JsonSerializerOptions Layout = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>What can be asked for.</summary>
    public sealed class Settings : SessionSettings
    {
        /// <summary>A folder as Python's <c>sys.prefix</c>.</summary>
        [CommandOption("--prefix <DIR>")]
        [Description(
            "Install below DIR/share/jupyter (a virtual environment, say) instead of the user's own Jupyter folder."
        )]
        public string? Prefix { get; init; }
    }

    /// <inheritdoc/>
    public override async Task<int> ExecuteAsync(
        CommandContext context,
        Settings settings,
        CancellationToken cancellationToken
    )
    {
        var session = settings.Session;
        if (settings.Prefix is not null && string.IsNullOrWhiteSpace(settings.Prefix))
            throw new UsageException("--prefix must name a folder, was empty.");
        if (settings.Prefix is not null && File.Exists(Path.GetFullPath(settings.Prefix, session.StartFolder)))
            throw new UsageException($"--prefix must name a folder, but '{settings.Prefix}' is a file.");
        var tool = ToolManifest.Load(session.Workspace);
        await tool.EnsureAsync(session.Say, cancellationToken);
        var data = settings.Prefix is null
            ? UserJupyterFolder()
            : Path.Combine(Path.GetFullPath(settings.Prefix, session.StartFolder), "share", "jupyter");
        var folder = Path.Combine(data, "kernels", ".net-csharp");
        Directory.CreateDirectory(folder);
        await File.WriteAllTextAsync(
            Path.Combine(folder, "kernel.json"),
            Spec(tool.Executable).ToJsonString(Layout) + "\n",
            cancellationToken
        );
        session.Say($"The kernel \".NET (C#)\" (.NET Interactive {tool.Version}) is registered in {folder}");
        return 0;
    }

    /// <summary>
    /// The kernelspec. Jupyter may start a kernel in any folder, so the command names the pinned tool's assembly
    /// itself; where that is not known it is the local tool, which runs anywhere inside the repository. The garbage
    /// collector does not run concurrently: TorchSharp passes numbers to libtorch in small objects of its own that
    /// nothing keeps alive during the call, and a collection at that moment frees them while they are in use. The
    /// kernel's HTTP server, which gives the values of variables to any client, listens to this machine alone.
    /// </summary>
    internal static JsonObject Spec(string? executable) =>
        new()
        {
            ["argv"] = new JsonArray([
                .. (executable is null ? new[] { "dotnet", "interactive" } : ["dotnet", executable])
                    .Concat([
                        "jupyter",
                        "--default-kernel",
                        "csharp",
                        "{connection_file}",
                        "--http-port-range",
                        "2048-3000",
                        "--http-local-only",
                    ])
                    .Select(w => (JsonNode)JsonValue.Create(w)!),
            ]),
            ["display_name"] = ".NET (C#)",
            ["language"] = "C#",
            ["env"] = new JsonObject(
                KernelVariables.All.Select(v => KeyValuePair.Create(v.Key, (JsonNode?)JsonValue.Create(v.Value)))
            ),
        };

    // Where Jupyter looks for a user's kernels on each system.
    private static string UserJupyterFolder()
    {
        if (Environment.GetEnvironmentVariable("JUPYTER_DATA_DIR") is { Length: > 0 } own)
            return own;
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        if (OperatingSystem.IsWindows())
            return Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData), "jupyter");
        if (OperatingSystem.IsMacOS())
            return Path.Combine(home, "Library", "Jupyter");
        return Path.Combine(
            Environment.GetEnvironmentVariable("XDG_DATA_HOME") is { Length: > 0 } xdg
                ? xdg
                : Path.Combine(home, ".local", "share"),
            "jupyter"
        );
    }
}
