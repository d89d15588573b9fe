using System.Net;
using System.Net.Http.Headers;

namespace BalancedDiffusion.Datasets;

/// <summary>What a server answered after all its redirections.</summary>
/// <param name="Response">The last answer, whose content is still to be received.</param>
/// <param name="StatedSha256">The SHA-256 of the whole file as the host states it (model hosts do so for large files),
/// or null.</param>
internal sealed record DownloadAnswer(HttpResponseMessage Response, string? StatedSha256) : IDisposable
{
    private const int Hops = 10;

    /// <summary>What tells this file from a later one of the same address: a strong tag or the time of its last change,
    /// or null.</summary>
    public string? Tag =>
        Response.Headers.ETag is { IsWeak: false } tag
            ? tag.ToString()
            : Response.Content.Headers.LastModified?.ToString("R");

    /// <summary>Asks for a file from a position on.</summary>
    /// <param name="client">A client that does not follow redirections by itself.</param>
    /// <param name="url">The address.</param>
    /// <param name="from">The first byte that is wanted.</param>
    /// <param name="tag">What the bytes before it are tagged with: where the file has another tag now, the server is to
    /// send all of it; or null.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="HttpRequestException">The server cannot be reached, or leads in circles.</exception>
    public static async Task<DownloadAnswer> AskAsync(
        HttpClient client,
        string url,
        long from,
        string? tag,
        CancellationToken cancellation
    )
    {
        string? stated = null;
        var address = new Uri(url);
        for (var hop = 0; hop < Hops; hop++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, address);
            if (from > 0)
                request.Headers.Range = new RangeHeaderValue(from, null);
            if (from > 0 && RangeConditionHeaderValue.TryParse(tag, out var unchanged))
                request.Headers.IfRange = unchanged;
            var response = await client
                .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation)
                .ConfigureAwait(false);
            stated ??= Stated(response);
            if (
                response.StatusCode
                    is not (
                        HttpStatusCode.MovedPermanently
                        or HttpStatusCode.Found
                        or HttpStatusCode.SeeOther
                        or HttpStatusCode.TemporaryRedirect
                        or HttpStatusCode.PermanentRedirect
                    )
                || response.Headers.Location is not { } next
            )
                return new DownloadAnswer(response, stated);
            response.Dispose();
            var target = new Uri(address, next);
            if (target.Scheme is not ("http" or "https") || address.Scheme == "https" && target.Scheme != "https")
                throw new HttpRequestException(
                    $"it leads to '{target.GetLeftPart(UriPartial.Authority)}', which is not safe"
                );
            address = target;
        }
        throw new HttpRequestException($"it leads from one address to the next more than {Hops} times");
    }

    public void Dispose() => Response.Dispose();

    private static string? Stated(HttpResponseMessage response) =>
        response.Headers.TryGetValues("X-Linked-Etag", out var values)
        && values.First().Trim('"') is { Length: 64 } sum
        && sum.All(char.IsAsciiHexDigit)
            ? sum.ToLowerInvariant()
            : null;
}
