using System.Security.Cryptography;
using BalancedDiffusion.Datasets;

namespace BalancedDiffusion.Tests.Datasets;

/// <summary>Downloads that go on: tags, redirections, and files of which no checksum is published.</summary>
public sealed class DataResumeTests : IDisposable
{
    private static readonly byte[] Old = Bytes(1),
        New = Bytes(2);
    private readonly ScratchFolder scratch = new();
    private readonly DataDownloader downloader =
            new(attempts: 3, firstPause: TimeSpan.FromMilliseconds(1), patience: TimeSpan.FromSeconds(20)),
        once = new(attempts: 1);

    public void Dispose()
    {
        downloader.Dispose();
        once.Dispose();
        scratch.Dispose();
    }

    private string Target => scratch["set/file.bin"];

    private static string Sum(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    private static DataFile Known(string url, byte[] content) =>
        new("set/file.bin", content.Length, Sum(content), [url]);

    private static DataFile Unpublished(string url) => new("set/file.bin", null, null, [url]) { RecordsSum = true };

    private static byte[] Bytes(int seed)
    {
        var bytes = new byte[300_000];
        new Random(seed).NextBytes(bytes);
        bytes[0] = 1;
        return bytes;
    }

    /// <summary>A server that breaks off once after 100,000 bytes, and then has another file, as its tag
    /// says.</summary>
    private static TinyServer Changing(bool heedsTags) =>
        new(
            (request, stream, _) =>
                request.Number == 0
                    ? TinyServer.SendAsync(stream, Old, null, 100_000, "ETag: \"old\"")
                    : TinyServer.SendAsync(
                        stream,
                        New,
                        heedsTags && request.IfRange != "\"new\"" ? null : request.From,
                        null,
                        "ETag: \"new\""
                    )
        );

    [Fact]
    public async Task APartGoesOnOnlyWhileTheServersTagIsTheSame()
    {
        await using var server = new TinyServer(
            (request, stream, _) =>
                TinyServer.SendAsync(stream, Old, request.From, request.Number == 0 ? 100_000 : null, "ETag: \"one\"")
        );
        await Assert.ThrowsAsync<IOException>(() => once.DownloadAsync(Known(server.Url, Old), scratch.Path));
        await once.DownloadAsync(Known(server.Url, Old), scratch.Path);
        Assert.Equal((100_000L, "\"one\""), (server.Requests[1].From, server.Requests[1].IfRange));
        Assert.Equal(Old, File.ReadAllBytes(Target));
        Assert.Equal(["set/file.bin"], scratch.Files);
    }

    [Theory]
    [InlineData(true)] // the server sends all of the new file, as If-Range asks it to
    [InlineData(false)] // the server heeds the range alone, and its answer's tag gives it away
    public async Task AFileThatChangedBetweenTwoAttemptsIsFetchedAnew(bool heedsTags)
    {
        await using var server = Changing(heedsTags);
        await downloader.DownloadAsync(Known(server.Url, New), scratch.Path);
        Assert.Equal(New, File.ReadAllBytes(Target));
        Assert.Equal(["set/file.bin"], scratch.Files);
        Assert.Equal(heedsTags ? 2 : 3, server.Requests.Count);
    }

    [Fact]
    public async Task ADateServesWhereThereIsNoTag()
    {
        const string date = "Wed, 01 Feb 2023 10:00:00 GMT";
        await using var server = new TinyServer(
            (request, stream, _) =>
                TinyServer.SendAsync(
                    stream,
                    Old,
                    request.From,
                    request.Number == 0 ? 5 : null,
                    $"Last-Modified: {date}"
                )
        );
        await downloader.DownloadAsync(Known(server.Url, Old), scratch.Path);
        Assert.Equal((5L, date), (server.Requests[1].From, server.Requests[1].IfRange));
        Assert.Equal(Old, File.ReadAllBytes(Target));
    }

    [Fact]
    public async Task RedirectionsAreFollowedWithTheRangeAndEndlessOnesAreNot()
    {
        await using var server = new TinyServer(
            (request, stream, _) =>
                request.Path switch
                {
                    "/store" => TinyServer.SendAsync(stream, Old, request.From, request.Number == 1 ? 1000 : null),
                    "/round" => TinyServer.HeadAsync(stream, "302 Found", 0, "Location: /round"),
                    _ => TinyServer.HeadAsync(stream, "307 Temporary Redirect", 0, "Location: /store"),
                }
        );
        await downloader.DownloadAsync(Known(server.Url, Old), scratch.Path);
        Assert.Equal(Old, File.ReadAllBytes(Target));
        Assert.Equal([null, null, 1000L, 1000L], server.Requests.Select(r => r.From));
        Assert.Contains(
            "leads from one address to the next more than 10 times",
            (
                await Assert.ThrowsAsync<IOException>(() =>
                    once.DownloadAsync(Known(server.Url.Replace("/file", "/round"), New), scratch.Path)
                )
            ).Message
        );
    }

    [Fact]
    public async Task WithoutAPublishedChecksumThatOfTheFirstDownloadIsRecordedAndHolds()
    {
        var content = Old;
        await using var server = new TinyServer(
            (request, stream, _) => TinyServer.SendAsync(stream, content, request.From)
        );
        var file = Unpublished(server.Url);
        await downloader.DownloadAsync(file, scratch.Path);
        Assert.Equal($"{Sum(Old)}  file.bin\n", File.ReadAllText(Target + ".sha256"));
        Assert.Null(file.Verify(Target));

        File.WriteAllBytes(Target, New);
        Assert.EndsWith("as recorded at its first download", file.Verify(Target));
        await downloader.DownloadAsync(file, scratch.Path);
        Assert.Equal(Old, File.ReadAllBytes(Target));

        File.Delete(Target);
        content = New;
        var message = (
            await Assert.ThrowsAsync<IOException>(() => downloader.DownloadAsync(file, scratch.Path))
        ).Message;
        Assert.Contains($"and {Sum(Old)[..16]}… was recorded at the first download (delete '", message);
        Assert.Equal(["set/file.bin.sha256"], scratch.Files);
        File.Delete(Target + ".sha256");
        await downloader.DownloadAsync(file, scratch.Path);
        Assert.Equal(New, File.ReadAllBytes(Target));
    }

    [Fact]
    public async Task AFileThatWasPutThereByHandIsRecordedAsItIs()
    {
        scratch.Write("set/file.bin", Old);
        var file = Unpublished("http://127.0.0.1:9/x");
        Assert.Equal("no checksum to compare with", file.Caveat(Target));
        await downloader.DownloadAsync(file, scratch.Path);
        Assert.Equal(
            "no published checksum at hand to compare with: that of the first download is recorded beside it",
            file.Caveat(Target)
        );
        Assert.Null(Known("x", Old).Caveat(Target));
        Assert.Equal($"{Sum(Old)}  file.bin\n", File.ReadAllText(Target + ".sha256"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task TheChecksumThatTheHostItselfStatesIsHeeded(bool right)
    {
        await using var server = new TinyServer(
            (request, stream, _) =>
                request.Path == "/store"
                    ? TinyServer.SendAsync(stream, Old, request.From)
                    : TinyServer.HeadAsync(
                        stream,
                        "302 Found",
                        0,
                        $"X-Linked-Etag: \"{Sum(right ? Old : New)}\"\r\nLocation: /store"
                    )
        );
        if (right)
            Assert.Equal(Target, await once.DownloadAsync(Unpublished(server.Url), scratch.Path));
        else
        {
            Assert.Contains(
                $"and the host itself states {Sum(New)[..16]}…, so it was deleted",
                (
                    await Assert.ThrowsAsync<IOException>(() =>
                        once.DownloadAsync(Unpublished(server.Url), scratch.Path)
                    )
                ).Message
            );
            Assert.Empty(scratch.Files);
        }
    }

    [Fact]
    public async Task AHostThatWantsALoginSaysWhatToDoAndIsNotAskedAgain()
    {
        await using var server = new TinyServer((_, stream, _) => TinyServer.HeadAsync(stream, "401 Unauthorized", 0));
        Assert.Contains(
            "wants you to log in (401): accept the licence on its page in a browser",
            (
                await Assert.ThrowsAsync<IOException>(() =>
                    downloader.DownloadAsync(Known(server.Url, Old), scratch.Path)
                )
            ).Message
        );
        Assert.Single(server.Requests);
    }

    [Fact]
    public async Task AFileLargerThanTheDiskIsRefusedBeforeItIsReceived()
    {
        await using var server = new TinyServer(
            async (_, stream, stop) =>
            {
                await TinyServer.HeadAsync(stream, "200 OK", 1L << 60);
                await stream.WriteAsync(Old, stop);
            }
        );
        var message = (
            await Assert.ThrowsAnyAsync<IOException>(() =>
                downloader.DownloadAsync(Unpublished(server.Url), scratch.Path)
            )
        ).Message;
        Assert.Contains("it needs 1152921504.6 GB and the disk has ", message);
        Assert.Empty(scratch.Files);
    }
}
