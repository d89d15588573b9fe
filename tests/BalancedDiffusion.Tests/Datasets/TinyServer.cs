using System.Net;
using System.Net.Sockets;
using System.Text;

namespace BalancedDiffusion.Tests.Datasets;

/// <summary>A web server on 127.0.0.1 that answers each request as the test says.</summary>
internal sealed class TinyServer : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stop = new();
    private readonly Func<Request, Stream, CancellationToken, Task> answer;
    private readonly Task loop;

    public TinyServer(Func<Request, Stream, CancellationToken, Task> answer)
    {
        this.answer = answer;
        listener.Start();
        loop = AcceptAsync();
    }

    public string Url => $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/file";

    public List<Request> Requests { get; } = [];

    /// <summary>A server of one file that resumes where asked to.</summary>
    public static TinyServer Of(byte[] content, bool resumes = true) =>
        new((request, stream, _) => SendAsync(stream, content, resumes ? request.From : null));

    public static async Task SendAsync(
        Stream stream,
        byte[] content,
        long? from = null,
        int? breakOffAfter = null,
        string? extra = null
    )
    {
        var body = content[(int)(from ?? 0)..];
        var range = from is null ? null : $"Content-Range: bytes {from}-{content.Length - 1}/{content.Length}";
        await HeadAsync(
            stream,
            from is null ? "200 OK" : "206 Partial Content",
            body.Length,
            range is null || extra is null ? range ?? extra : $"{range}\r\n{extra}"
        );
        await stream.WriteAsync(body.AsMemory(0, breakOffAfter ?? body.Length));
    }

    public static async Task HeadAsync(Stream stream, string status, long? length, string? extra = null)
    {
        var size = length is null ? "" : $"Content-Length: {length}\r\n";
        var further = extra is null ? "" : extra + "\r\n";
        await stream.WriteAsync(
            Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\nConnection: close\r\n{size}{further}\r\n")
        );
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        listener.Stop();
        await loop;
        stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!stop.IsCancellationRequested)
            try
            {
                using var connection = await listener.AcceptTcpClientAsync(stop.Token);
                await using var stream = connection.GetStream();
                using var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
                var (from, unchanged, path) = (
                    (long?)null,
                    (string?)null,
                    (await reader.ReadLineAsync(stop.Token))?.Split(' ')[1] ?? ""
                );
                while (await reader.ReadLineAsync(stop.Token) is { Length: > 0 } line)
                    if (line.StartsWith("Range: bytes=", StringComparison.OrdinalIgnoreCase))
                        from = long.Parse(line["Range: bytes=".Length..].TrimEnd('-'));
                    else if (line.StartsWith("If-Range: ", StringComparison.OrdinalIgnoreCase))
                        unchanged = line["If-Range: ".Length..];
                var request = new Request(Requests.Count, from, unchanged, path);
                Requests.Add(request);
                await answer(request, stream, stop.Token);
            }
            catch (Exception e)
                when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // the client went away, or the test is over
            }
    }

    public sealed record Request(int Number, long? From, string? IfRange, string Path);
}
