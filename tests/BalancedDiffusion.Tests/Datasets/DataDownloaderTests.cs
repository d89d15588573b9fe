using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using BalancedDiffusion.Datasets;

namespace BalancedDiffusion.Tests.Datasets;

public sealed class DataDownloaderTests : IDisposable
{
    private static readonly byte[] Content = MakeContent();
    private readonly ScratchFolder scratch = new();
    private readonly DataDownloader downloader = new(
        attempts: 3,
        firstPause: TimeSpan.FromMilliseconds(1),
        patience: TimeSpan.FromSeconds(20)
    );

    private string Target => scratch["set/file.bin"];

    private string[] Parts => Directory.Exists(scratch["set"]) ? Directory.GetFiles(scratch["set"], "*.part") : [];

    public void Dispose()
    {
        downloader.Dispose();
        scratch.Dispose();
    }

    [Fact]
    public async Task AWholeFileArrivesUnderItsNameWithProgressAndIsNotFetchedTwice()
    {
        await using var server = TinyServer.Of(Content);
        var progress = new Heard();
        Assert.Equal(Target, await downloader.DownloadAsync(FileAt(server.Url), scratch.Path, progress));
        Assert.Equal(Content, File.ReadAllBytes(Target));
        Assert.Equal(["set/file.bin"], scratch.Files);
        Assert.Equal(new DownloadProgress("set/file.bin", Content.Length, Content.Length), progress.All[^1]);
        Assert.Equal(progress.All.Select(p => p.Received).Order(), progress.All.Select(p => p.Received));
        await downloader.DownloadAsync(FileAt(server.Url), scratch.Path);
        Assert.Single(server.Requests);
    }

    [Fact]
    public async Task AConnectionThatBreaksOffIsResumedWhereItBroke()
    {
        await using var server = new TinyServer(
            (request, stream, _) =>
                TinyServer.SendAsync(stream, Content, request.From, request.Number < 2 ? 100_000 : null)
        );
        await downloader.DownloadAsync(FileAt(server.Url), scratch.Path);
        Assert.Equal(Content, File.ReadAllBytes(Target));
        Assert.Equal([null, 100_000L, 200_000L], server.Requests.Select(r => r.From));
        Assert.Empty(Parts);
    }

    [Fact]
    public async Task ACancelledDownloadKeepsItsPartAndTheNextGoesOn()
    {
        using var cancel = new CancellationTokenSource();
        await using var server = new TinyServer(
            async (request, stream, stop) =>
            {
                if (request.Number > 0)
                {
                    await TinyServer.SendAsync(stream, Content, request.From);
                    return;
                }
                await TinyServer.HeadAsync(stream, "200 OK", Content.Length);
                await stream.WriteAsync(Content.AsMemory(0, 150_000), stop);
                // silent until the client goes away
                await stream.ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: false, stop);
            }
        );
        var progress = new Heard(p =>
        {
            if (p.Received == 150_000)
                cancel.Cancel();
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            downloader.DownloadAsync(FileAt(server.Url), scratch.Path, progress, cancel.Token)
        );
        Assert.False(File.Exists(Target));
        Assert.Equal(150_000, new FileInfo(Assert.Single(Parts)).Length);
        await downloader.DownloadAsync(FileAt(server.Url), scratch.Path);
        Assert.Equal(150_000, server.Requests[1].From);
        Assert.Equal(Content, File.ReadAllBytes(Target));
    }

    [Fact]
    public async Task AnEarlierPartIsResumedEvenByAnotherDownloader()
    {
        await using var server = new TinyServer(
            (request, stream, _) =>
                TinyServer.SendAsync(stream, Content, request.From, request.Number == 0 ? 1234 : null)
        );
        using (var impatient = new DataDownloader(attempts: 1))
            Assert.Contains(
                "broke off after 1234",
                (
                    await Assert.ThrowsAsync<IOException>(() =>
                        impatient.DownloadAsync(FileAt(server.Url), scratch.Path)
                    )
                ).Message
            );
        Assert.False(File.Exists(Target));
        Assert.Equal(Content[..1234], File.ReadAllBytes(Assert.Single(Parts)));
        await downloader.DownloadAsync(FileAt(server.Url), scratch.Path);
        Assert.Equal(1234, server.Requests[1].From);
        Assert.Equal(Content, File.ReadAllBytes(Target));
    }

    [Fact]
    public async Task AServerThatIgnoresTheRangeIsStartedOver()
    {
        await using var server = new TinyServer(
            (request, stream, _) => TinyServer.SendAsync(stream, Content, null, request.Number == 0 ? 100_000 : null)
        );
        await downloader.DownloadAsync(FileAt(server.Url), scratch.Path);
        Assert.Equal([null, 100_000L], server.Requests.Select(r => r.From));
        Assert.Equal(Content, File.ReadAllBytes(Target));
    }

    [Fact]
    public async Task APartThatIsWholeAlreadyIsFinishedWithoutReceivingMore()
    {
        await using var server = new TinyServer(
            async (request, stream, _) =>
            {
                if (request.Number == 0)
                    await TinyServer.SendAsync(stream, Content, null, 1000);
                else
                    await TinyServer.HeadAsync(
                        stream,
                        "416 Range Not Satisfiable",
                        0,
                        $"Content-Range: bytes */{Content.Length}"
                    );
            }
        );
        using (var impatient = new DataDownloader(attempts: 1))
            await Assert.ThrowsAsync<IOException>(() => impatient.DownloadAsync(FileAt(server.Url), scratch.Path));
        File.WriteAllBytes(Assert.Single(Parts), Content);
        await downloader.DownloadAsync(FileAt(server.Url), scratch.Path);
        Assert.Equal(Content, File.ReadAllBytes(Target));
    }

    [Fact]
    public async Task AStalePartThatSpoilsTheChecksumIsThrownAwayAndFetchedAnew()
    {
        await using var server = new TinyServer(
            (request, stream, _) =>
                TinyServer.SendAsync(stream, Content, request.From, request.Number == 0 ? 1000 : null)
        );
        using (var impatient = new DataDownloader(attempts: 1))
            await Assert.ThrowsAsync<IOException>(() => impatient.DownloadAsync(FileAt(server.Url), scratch.Path));
        File.WriteAllBytes(Assert.Single(Parts), new byte[1000]);
        await downloader.DownloadAsync(FileAt(server.Url), scratch.Path);
        Assert.Equal([null, 1000L, null], server.Requests.Select(r => r.From));
        Assert.Equal(Content, File.ReadAllBytes(Target));
    }

    [Fact]
    public async Task AWrongFileIsDeletedAndToldAndNeverGetsTheName()
    {
        var wrong = Content.ToArray();
        wrong[77]++;
        await using var server = TinyServer.Of(wrong);
        var message = (
            await Assert.ThrowsAsync<IOException>(() => downloader.DownloadAsync(FileAt(server.Url), scratch.Path))
        ).Message;
        Assert.Contains("has the checksum", message);
        Assert.Contains("deleted", message);
        Assert.Empty(scratch.Files);
        Assert.Single(server.Requests);
    }

    [Fact]
    public async Task AnEndlessAnswerIsCutOff()
    {
        await using var server = new TinyServer(
            async (_, stream, stop) =>
            {
                await TinyServer.HeadAsync(stream, "200 OK", null);
                while (true)
                    await stream.WriteAsync(Content, stop);
            }
        );
        Assert.Contains(
            "more than the 300000 bytes expected",
            (
                await Assert.ThrowsAsync<IOException>(() => downloader.DownloadAsync(FileAt(server.Url), scratch.Path))
            ).Message
        );
        Assert.Empty(scratch.Files);
    }

    [Fact]
    public async Task AnOldFileStaysWhenItsReplacementFails()
    {
        scratch.Write("set/file.bin", 1, 2, 3);
        await using var server = new TinyServer((_, stream, _) => TinyServer.HeadAsync(stream, "404 Not Found", 0));
        await Assert.ThrowsAsync<IOException>(() => downloader.DownloadAsync(FileAt(server.Url), scratch.Path));
        Assert.Equal([1, 2, 3], File.ReadAllBytes(Target));
    }

    [Fact]
    public async Task AMissingFileIsNotAskedForTwiceAndTheNextAddressIsTried()
    {
        await using var without = new TinyServer((_, stream, _) => TinyServer.HeadAsync(stream, "404 Not Found", 0));
        await using var with = TinyServer.Of(Content);
        var message = (
            await Assert.ThrowsAsync<IOException>(() => downloader.DownloadAsync(FileAt(without.Url), scratch.Path))
        ).Message;
        Assert.Contains($"{without.Url} has no such file (404)", message);
        Assert.Contains("BALANCED_DIFFUSION_DATA", message);
        Assert.Single(without.Requests);
        await downloader.DownloadAsync(FileAt(without.Url, with.Url), scratch.Path);
        Assert.Equal(Content, File.ReadAllBytes(Target));
    }

    [Fact]
    public async Task AServerInTroubleIsAskedAgain()
    {
        await using var server = new TinyServer(
            (request, stream, _) =>
                request.Number < 2
                    ? TinyServer.HeadAsync(stream, "503 Service Unavailable", 0)
                    : TinyServer.SendAsync(stream, Content)
        );
        await downloader.DownloadAsync(FileAt(server.Url), scratch.Path);
        Assert.Equal(3, server.Requests.Count);
    }

    [Fact]
    public async Task ARefusedConnectionIsToldInOneSentenceAfterTheLastAttempt()
    {
        int port;
        using (var socket = new TcpListener(IPAddress.Loopback, 0))
        {
            socket.Start();
            port = ((IPEndPoint)socket.LocalEndpoint).Port;
        }
        var message = (
            await Assert.ThrowsAsync<IOException>(() =>
                downloader.DownloadAsync(FileAt($"http://127.0.0.1:{port}/x"), scratch.Path)
            )
        ).Message;
        Assert.Contains("could not be reached", message);
        Assert.Contains("3 attempts", message);
        Assert.Contains("check the network", message);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public async Task AnUnknownHostIsToldAsNoNetwork()
    {
        using var once = new DataDownloader(attempts: 1);
        var message = (
            await Assert.ThrowsAsync<IOException>(() =>
                once.DownloadAsync(FileAt("http://no-such-host.invalid/x"), scratch.Path)
            )
        ).Message;
        Assert.Contains("could not be reached", message);
    }

    [Fact]
    public async Task ASilentServerIsGivenUp()
    {
        using var impatient = new DataDownloader(attempts: 1, patience: TimeSpan.FromMilliseconds(200));
        await using var server = new TinyServer((_, _, stop) => Task.Delay(Timeout.Infinite, stop));
        Assert.Contains(
            "was silent for 0.2 s",
            (
                await Assert.ThrowsAsync<IOException>(() => impatient.DownloadAsync(FileAt(server.Url), scratch.Path))
            ).Message
        );
    }

    [Fact]
    public async Task AFolderThatCannotBeWrittenAndAFullDiskAreToldApart()
    {
        await using var server = new TinyServer(
            (request, stream, _) => TinyServer.SendAsync(stream, Content, null, request.Number == 0 ? 1000 : null)
        );
        var blocked = scratch.Write("blocked", 1);
        var message = (
            await Assert.ThrowsAnyAsync<IOException>(() => downloader.DownloadAsync(FileAt(server.Url), blocked))
        ).Message;
        Assert.Contains("could not be written", message);
        Assert.Contains("BALANCED_DIFFUSION_CACHE", message);
        Assert.Empty(server.Requests);

        Assert.SkipUnless(File.Exists("/dev/full"), "this system has no /dev/full");
        using (var impatient = new DataDownloader(attempts: 1))
            await Assert.ThrowsAsync<IOException>(() => impatient.DownloadAsync(FileAt(server.Url), scratch.Path));
        var part = Assert.Single(Parts);
        File.Delete(part);
        File.CreateSymbolicLink(part, "/dev/full");
        Assert.Contains(
            "the disk is full",
            (
                await Assert.ThrowsAnyAsync<IOException>(() =>
                    downloader.DownloadAsync(FileAt(server.Url), scratch.Path)
                )
            ).Message
        );
        Assert.False(File.Exists(Target));
    }

    [Fact]
    public async Task FetchingAnEntryTakesWhatIsFoundAndDownloadsTheRest()
    {
        await using var server = TinyServer.Of(Content);
        var entry = Entry(FileAt(server.Url), new DataFile("set/own.bin", 1, Sum([5]), []));
        var search = new DataSearch(scratch.Path, scratch["cache"]);
        Assert.Contains(
            "cannot be fetched for you (MIT)",
            (
                await Assert.ThrowsAsync<InvalidOperationException>(() =>
                    downloader.FetchAsync(entry, search, scratch["cache"])
                )
            ).Message
        );
        var own = scratch.Write("set/own.bin", 5);
        Assert.Equal(
            [scratch["cache/set/file.bin"], own],
            await downloader.FetchAsync(entry, search, scratch["cache"])
        );
        Assert.Equal(Content, File.ReadAllBytes(scratch["cache/set/file.bin"]));
        Assert.Single(server.Requests);
        Assert.Equal(
            [scratch["cache/set/file.bin"], own],
            await downloader.FetchAsync(entry, search, scratch["cache"])
        );
        Assert.Single(server.Requests);

        scratch.Write("set/file.bin", 1); // damaged, and before the cache in the search
        Assert.Contains(
            "would hide a fresh download",
            (
                await Assert.ThrowsAsync<IOException>(() => downloader.FetchAsync(entry, search, scratch["cache"]))
            ).Message
        );
    }

    [Fact]
    public async Task AFileWithoutChecksumOrAddressIsRefused()
    {
        Assert.Contains(
            "no checksum",
            (
                await Assert.ThrowsAsync<ArgumentException>(() =>
                    downloader.DownloadAsync(new DataFile("x", 1, null, ["http://127.0.0.1/x"]), scratch.Path)
                )
            ).Message
        );
        Assert.Contains(
            "no address",
            (
                await Assert.ThrowsAsync<ArgumentException>(() =>
                    downloader.DownloadAsync(new DataFile("x", 1, Sum([1]), []), scratch.Path)
                )
            ).Message
        );
        Assert.Contains(
            "'../x'",
            (
                await Assert.ThrowsAsync<ArgumentException>(() =>
                    downloader.DownloadAsync(new DataFile("../x", 1, Sum([1]), ["http://127.0.0.1/x"]), scratch.Path)
                )
            ).Message
        );
    }

    private static DataFile FileAt(params string[] urls) => new("set/file.bin", Content.Length, Sum(Content), urls);

    private static string Sum(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    private static DataEntry Entry(params DataFile[] files) =>
        new()
        {
            Name = "e",
            Kind = "data set",
            Title = "t",
            Licence = "MIT",
            Redistributable = true,
            Source = "s",
            Citation = "c",
            HowToGet = "by hand",
            Files = files,
        };

    private static byte[] MakeContent()
    {
        var content = new byte[300_000];
        new Random(5).NextBytes(content);
        content[0] = 1; // not gzip
        return content;
    }

    private sealed class Heard(Action<DownloadProgress>? also = null) : IProgress<DownloadProgress>
    {
        public List<DownloadProgress> All { get; } = [];

        public void Report(DownloadProgress value)
        {
            All.Add(value);
            also?.Invoke(value);
        }
    }
}
