using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using BalancedDiffusion.Reproduce.Runner;
using BalancedDiffusion.Reproduce.Runner.Kernel;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>What listens to the network while a kernel runs: a kernel answers questions about variables, so nobody but
/// this machine may ask.</summary>
public sealed class KernelNetworkTests : IDisposable
{
    private readonly EnvironmentWorkspace place = new();

    public void Dispose() => place.Dispose();

    [Fact]
    public async Task TheKernelThatJupyterStartsListensToThisMachineAlone()
    {
        RequireProc();
        var (code, output) = await place.RunAsync("kernel install --prefix venv");
        Assert.True(code == 0, output);
        var file = Path.Combine(place.Root, "venv", "share", "jupyter", "kernels", ".net-csharp", "kernel.json");
        var connection = Path.Combine(place.Root, "connection.json");
        var ports = FreePorts(5);
        await File.WriteAllTextAsync(
            connection,
            JsonSerializer.Serialize(
                new
                {
                    transport = "tcp",
                    ip = "127.0.0.1",
                    key = "key",
                    signature_scheme = "hmac-sha256",
                    shell_port = ports[0],
                    iopub_port = ports[1],
                    stdin_port = ports[2],
                    control_port = ports[3],
                    hb_port = ports[4],
                }
            ),
            TestContext.Current.CancellationToken
        );
        var words = JsonNode.Parse(await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken))!["argv"]!
            .AsArray()
            .Select(w => ((string)w!).Replace("{connection_file}", connection))
            .ToArray();
        var marker = $"network-test-{Guid.NewGuid():N}";
        var start = new ProcessStartInfo(words[0], words[1..])
        {
            WorkingDirectory = place.Root,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment[ProcessTree.MarkerVariable] = marker;
        using var process = Process.Start(start)!;
        try
        {
            _ = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            _ = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            var clock = Stopwatch.StartNew();
            IReadOnlyList<IPEndPoint> open;
            // Jupyter's five ports and the HTTP server's.
            do
            {
                await Task.Delay(500, TestContext.Current.CancellationToken);
                open = Listening(marker, process.Id);
            } while (!process.HasExited && clock.Elapsed < TimeSpan.FromMinutes(2) && !IsUp(open, ports));
            Assert.True(IsUp(open, ports), $"the kernel listens to {string.Join(", ", open)} only");
            Assert.All(open, e => Assert.True(IPAddress.IsLoopback(e.Address), $"it listens to {e}"));
        }
        finally
        {
            ProcessTree.Kill(process, marker);
        }
    }

    [Fact]
    public async Task TheRunnersKernelListensToNobodyElse()
    {
        RequireProc();
        await ToolManifest.Load(place.Repository).EnsureAsync(_ => { }, TestContext.Current.CancellationToken);
        await using var kernel = await KernelProcess.StartAsync(
            ToolManifest.Load(place.Repository).Executable,
            new KernelEnvironment(place.Repository.NotebooksFolder),
            TestContext.Current.CancellationToken
        );
        Assert.Null(
            await kernel.SubmitAsync("one", "1 + 1", "csharp", _ => { }, TestContext.Current.CancellationToken)
        );
        Assert.All(Listening(kernel.Marker), e => Assert.True(IPAddress.IsLoopback(e.Address), $"it listens to {e}"));
        // The search itself finds what listens: a socket that a cell opens.
        Assert.Null(
            await kernel.SubmitAsync(
                "two",
                "var own = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Any, 0); own.Start();",
                "csharp",
                _ => { },
                TestContext.Current.CancellationToken
            )
        );
        Assert.Contains(Listening(kernel.Marker), e => e.Address.Equals(IPAddress.Any));
    }

    [Theory]
    [InlineData("0100007F:0800", "127.0.0.1:2048")]
    [InlineData("00000000:0050", "0.0.0.0:80")]
    [InlineData("00000000000000000000000000000000:0800", "[::]:2048")]
    [InlineData("00000000000000000000000001000000:01BB", "[::1]:443")]
    public void AddressesAreReadAsTheSystemWritesThem(string written, string address) =>
        Assert.Equal(address, Address(written).ToString());

    private static void RequireProc()
    {
        if (!File.Exists("/proc/net/tcp"))
            Assert.Skip("what listens is read from /proc, as on Linux");
    }

    private static bool IsUp(IReadOnlyList<IPEndPoint> open, int[] ports) =>
        ports.All(p => open.Any(e => e.Port == p)) && open.Any(e => e.Port is >= 2048 and <= 3000);

    // The addresses on which the marked processes wait for connections.
    private static IReadOnlyList<IPEndPoint> Listening(string marker, params int[] more)
    {
        var sockets = new HashSet<string>();
        foreach (var id in ProcessTree.Marked(marker).Concat(more).Distinct())
            try
            {
                foreach (var handle in Directory.EnumerateFileSystemEntries($"/proc/{id}/fd"))
                    if (
                        new FileInfo(handle).LinkTarget is { } target
                        && target.StartsWith("socket:[", StringComparison.Ordinal)
                    )
                        sockets.Add(target[8..^1]);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            { /* it is gone */
            }
        return
        [
            .. new[] { "/proc/net/tcp", "/proc/net/tcp6" }
                .Where(File.Exists)
                .SelectMany(f => File.ReadLines(f).Skip(1))
                .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Where(f => f[3] == "0A" && sockets.Contains(f[9]))
                .Select(f => Address(f[1])),
        ];
    }

    // E.g. 0100007F:0800: words of 32 bits in the machine's order, then the port.
    private static IPEndPoint Address(string written)
    {
        var parts = written.Split(':');
        var bytes = Enumerable
            .Range(0, parts[0].Length / 8)
            .SelectMany(i => Convert.FromHexString(parts[0].AsSpan(8 * i, 8)).Reverse())
            .ToArray();
        return new IPEndPoint(
            new IPAddress(bytes),
            int.Parse(parts[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture)
        );
    }

    private static int[] FreePorts(int count)
    {
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToList();
        foreach (var listener in listeners)
            listener.Start();
        int[] ports = [.. listeners.Select(l => ((IPEndPoint)l.LocalEndpoint).Port)];
        foreach (var listener in listeners)
            listener.Stop();
        return ports;
    }
}
