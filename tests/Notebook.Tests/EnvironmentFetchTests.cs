using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using BalancedDiffusion.Reproduce;
using BalancedDiffusion.Tests.Datasets;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary><c>data fetch</c> against a server of the test's own.</summary>
public sealed class EnvironmentFetchTests : IDisposable
{
    private static readonly byte[] Content = Bytes();
    private readonly EnvironmentWorkspace place = new();
    private readonly string cache = Directory.CreateTempSubdirectory("fetch-test-").FullName;

    public void Dispose()
    {
        place.Dispose();
        Directory.Delete(cache, recursive: true);
    }

    private string Fetched => Path.Combine(cache, "data", "weights", "net.bin");

    private static byte[] Bytes()
    {
        var bytes = new byte[3_000_000];
        new Random(4).NextBytes(bytes);
        bytes[0] = 1;
        return bytes;
    }

    private string Manifest(string url, bool published = true)
    {
        object file = published
            ? new
            {
                path = "weights/net.bin",
                bytes = Content.Length,
                sha256 = Convert.ToHexStringLower(SHA256.HashData(Content)),
                urls = new[] { url },
            }
            : new
            {
                path = "weights/net.bin",
                recordsSum = true,
                urls = new[] { url },
            };
        var entry = new
        {
            name = "net",
            kind = "checkpoint",
            title = "A network",
            licence = "for research alone",
            redistributable = false,
            source = "https://home.example",
            citation = "c",
            howToGet = "by hand",
            aboutBytes = 3_000_000,
            files = new[] { file },
        };
        var path = Path.Combine(place.Root, "list.json");
        File.WriteAllText(path, JsonSerializer.Serialize(new { entries = new[] { entry } }));
        return path;
    }

    private Process Start(string manifest, params string[] more)
    {
        var start = new ProcessStartInfo(
            "dotnet",
            [
                Path.Combine(AppContext.BaseDirectory, "Reproduce.dll"),
                "data",
                "fetch",
                "net",
                "--manifest",
                manifest,
                .. more,
            ]
        )
        {
            WorkingDirectory = place.Root,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        start.Environment["BALANCED_DIFFUSION_CACHE"] = cache;
        start.Environment.Remove("BALANCED_DIFFUSION_DATA");
        return Process.Start(start)!;
    }

    private async Task<(int Code, string Output)> RunAsync(string manifest, params string[] more)
    {
        using var process = Start(manifest, more);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, output);
    }

    [Fact]
    public async Task SizeAndLicenceAreShownAndWithoutATerminalNothingIsFetchedUnlessAccepted()
    {
        await using var server = TinyServer.Of(Content);
        var manifest = Manifest(server.Url);
        var (code, output) = await RunAsync(manifest);
        Assert.Equal(CommandLine.UsageError, code);
        Assert.Contains("  size: 3 MB, 1 file(s) from https://home.example", output);
        Assert.Contains("  licence: for research alone", output);
        Assert.Contains(
            "Error: 'net' is fetched only when you accept its size and licence, and there is no terminal to "
                + "ask on; add --yes to accept them.",
            output
        );
        Assert.Empty(server.Requests);
        (code, output) = await RunAsync(manifest, "--yes");
        Assert.Equal((0, true), (code, output.Contains($"have {Fetched}\n")));
        Assert.Equal(Content, File.ReadAllBytes(Fetched));
        // What is there is not asked for again.
        (code, output) = await RunAsync(manifest);
        Assert.Equal((0, true, 1), (code, !output.Contains("licence"), server.Requests.Count));
    }

    [Fact]
    public async Task AFetchThatIsKilledGoesOnWhereItWas()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("a process is killed as on Linux");
        var served = 0L;
        await using var server = new TinyServer(
            async (request, stream, stop) =>
            {
                var from = (int)(request.From ?? 0);
                await TinyServer.HeadAsync(
                    stream,
                    from == 0 ? "200 OK" : "206 Partial Content",
                    Content.Length - from,
                    (from == 0 ? "" : $"Content-Range: bytes {from}-{Content.Length - 1}/{Content.Length}\r\n")
                        + "ETag: \"1\""
                );
                for (var offset = from; offset < Content.Length; offset += 50_000)
                {
                    var piece = Content.AsMemory(offset, Math.Min(50_000, Content.Length - offset));
                    // The first time it stops half-way and is silent until the client goes away.
                    if (request.Number == 0 && offset >= 1_500_000)
                    {
                        await stream.ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: false, stop);
                        return;
                    }
                    await stream.WriteAsync(piece, stop);
                    Interlocked.Add(ref served, piece.Length);
                }
            }
        );
        var manifest = Manifest(server.Url, published: false);
        using (var first = Start(manifest, "--yes"))
        {
            var clock = Stopwatch.StartNew();
            while (Parts().Sum(f => new FileInfo(f).Length) < 1_500_000 && clock.Elapsed < TimeSpan.FromSeconds(60))
                await Task.Delay(20, TestContext.Current.CancellationToken);
            first.Kill(); // SIGKILL: nothing is tidied up
            await first.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
        Assert.False(File.Exists(Fetched));
        Assert.Equal(1_500_000, new FileInfo(Assert.Single(Parts())).Length);
        var (code, output) = await RunAsync(manifest, "--yes");
        Assert.True(code == 0, output);
        Assert.Equal((1_500_000L, "\"1\""), (server.Requests[1].From, server.Requests[1].IfRange));
        Assert.Equal(Content.Length, served);
        Assert.Equal(Content, File.ReadAllBytes(Fetched));
        Assert.Contains(
            "no published checksum at hand to compare with: that of the first download is recorded beside it",
            output
        );
        Assert.Empty(Parts());

        string[] Parts() =>
            Directory.Exists(Path.GetDirectoryName(Fetched))
                ? Directory.GetFiles(Path.GetDirectoryName(Fetched)!, "*.part")
                : [];
    }

    [Fact]
    public async Task NoNetworkAndAWrongManifestAreOneSentenceEach()
    {
        var (code, output) = await RunAsync(Manifest("http://no-such-host.invalid/net.bin"), "--yes");
        Assert.Equal(1, code);
        Assert.Contains("could not be reached", output);
        Assert.Single(output.Split('\n'), line => line.StartsWith("Error: ", StringComparison.Ordinal));
        (code, output) = await RunAsync("absent.json");
        Assert.Equal((CommandLine.UsageError, true), (code, output.Contains("there is no manifest at ")));
    }
}
