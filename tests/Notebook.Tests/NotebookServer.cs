using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using BalancedDiffusion.Reproduce.Runner.Kernel;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>A notebook server of Jupyter on a free port of this machine, which sees one folder, one kernel and nothing
/// of the user's own.</summary>
internal sealed class NotebookServer : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly StringBuilder log = new();
    private readonly string token = Guid.NewGuid().ToString("N");
    private readonly Process process;
    private readonly Uri root;

    private NotebookServer(string folder, string prefix)
    {
        var port = FreePort();
        root = new Uri($"http://127.0.0.1:{port}/");
        var start = new ProcessStartInfo(
            "jupyter",
            [
                "notebook",
                "--no-browser",
                "--allow-root",
                "--ip=127.0.0.1",
                "--port",
                port.ToString(CultureInfo.InvariantCulture),
                "--port-retries=0",
                "--NotebookApp.token",
                token,
                "--notebook-dir",
                folder,
            ]
        )
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (
            var name in start
                .Environment.Keys.Where(name =>
                    name.StartsWith("BALANCED_DIFFUSION_", StringComparison.Ordinal)
                    && name != "BALANCED_DIFFUSION_BROWSER"
                )
                .ToList()
        )
            start.Environment.Remove(name);
        start.Environment["JUPYTER_PATH"] = Path.Combine(prefix, "share", "jupyter");
        foreach (var kind in new[] { "CONFIG", "DATA", "RUNTIME" })
            start.Environment[$"JUPYTER_{kind}_DIR"] = Path.Combine(prefix, kind.ToLowerInvariant());
        start.Environment["BALANCED_DIFFUSION_DEVICE"] = "cpu";
        start.Environment[ProcessTree.MarkerVariable] = Marker;
        process = Process.Start(start)!;
        process.OutputDataReceived += Keep;
        process.ErrorDataReceived += Keep;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>The marker that the server and all it starts carry in their environment.</summary>
    public string Marker { get; } = Guid.NewGuid().ToString("N");

    /// <summary>What the server has written so far.</summary>
    public string Log
    {
        get
        {
            lock (log)
                return log.ToString();
        }
    }

    /// <summary>Whether <c>jupyter notebook</c> can be run here.</summary>
    public static async Task<bool> IsInstalledAsync(CancellationToken cancellation)
    {
        try
        {
            using var asked = Process.Start(
                new ProcessStartInfo("jupyter", ["notebook", "--version"])
                {
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                }
            )!;
            _ = asked.StandardError.ReadToEndAsync(cancellation);
            // The address of a notebook, and the menus the test clicks, are those of version 6.
            var version = await asked.StandardOutput.ReadToEndAsync(cancellation);
            await asked.WaitForExitAsync(cancellation);
            return asked.ExitCode == 0 && version.StartsWith("6.", StringComparison.Ordinal);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    /// <summary>Starts a server and waits until it answers.</summary>
    /// <param name="folder">What it serves.</param>
    /// <param name="prefix">Below its share/jupyter lie the kernels; settings and the server's own files go below it
    /// too.</param>
    /// <param name="cancellation">Stops the waiting.</param>
    public static async Task<NotebookServer> StartAsync(string folder, string prefix, CancellationToken cancellation)
    {
        var server = new NotebookServer(folder, prefix);
        using var client = new HttpClient();
        var clock = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                using var answer = await client.GetAsync(
                    new Uri(server.root, $"api/status?token={server.token}"),
                    cancellation
                );
                if (answer.IsSuccessStatusCode)
                    return server;
            }
            catch (HttpRequestException)
            { /* not listening yet */
            }
            if (server.process.HasExited || clock.Elapsed > Patience)
            {
                await server.DisposeAsync();
                throw new InvalidOperationException($"the notebook server did not answer:\n{server.Log}");
            }
            await Task.Delay(200, cancellation);
        }
    }

    /// <summary>The address at which a browser sees a notebook of the folder.</summary>
    public string PageOf(string notebook) =>
        new Uri(root, $"notebooks/{Uri.EscapeDataString(notebook)}?token={token}").ToString();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        ProcessTree.Kill(process, Marker);
        await process.WaitForExitAsync();
        process.Dispose();
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private void Keep(object sender, DataReceivedEventArgs line)
    {
        lock (log)
            log.AppendLine(line.Data);
    }
}
