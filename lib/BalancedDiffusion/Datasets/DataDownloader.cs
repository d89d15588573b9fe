using System.Net;
using System.Security.Cryptography;
using System.Text;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Datasets;

/// <summary>
/// Downloads the files of the manifest. What has arrived is kept in a <c>.part</c> file and a later attempt goes on
/// from there; only a file whose length and checksum are right gets its final name.
/// </summary>
public sealed class DataDownloader : IDisposable
{
    private readonly HttpClient client;
    private readonly int attempts;
    private readonly TimeSpan firstPause,
        patience;

    /// <summary>A downloader.</summary>
    /// <param name="attempts">How often an address is tried when the network fails, at least 1.</param>
    /// <param name="firstPause">The pause before the second attempt, one second by default; each further pause is twice
    /// as long, up to a minute.</param>
    /// <param name="patience">How long a silent server is waited for, 30 seconds by default.</param>
    public DataDownloader(int attempts = 4, TimeSpan? firstPause = null, TimeSpan? patience = null)
    {
        Guard.AtLeast(attempts, 1);
        Guard.NotNegative((firstPause ?? TimeSpan.Zero).TotalSeconds, nameof(firstPause));
        Guard.Positive((patience ?? TimeSpan.FromSeconds(30)).TotalSeconds, nameof(patience));
        this.attempts = attempts;
        this.firstPause = firstPause ?? TimeSpan.FromSeconds(1);
        this.patience = patience ?? TimeSpan.FromSeconds(30);
        client = new HttpClient(
            new SocketsHttpHandler { AutomaticDecompression = DecompressionMethods.None, AllowAutoRedirect = false }
        )
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
        client.DefaultRequestHeaders.UserAgent.ParseAdd("balanced-diffusion-notebooks");
    }

    /// <summary>Makes sure that every file of an entry is there: files that are found and right are left alone, the
    /// others are downloaded.</summary>
    /// <param name="entry">The entry of the manifest.</param>
    /// <param name="folders">Where to look first; <see cref="DataFolders.Current"/> by default.</param>
    /// <param name="folder">The data folder to download to; <see cref="DataFolders.DownloadFolder"/> by
    /// default.</param>
    /// <param name="progress">Receives every block that arrives, or null.</param>
    /// <param name="cancellation">Stops the download; what has arrived is kept for the next time.</param>
    /// <returns>Where the files are, in the entry's order.</returns>
    /// <exception cref="InvalidOperationException">The entry cannot be fetched; the message says how to get
    /// it.</exception>
    /// <exception cref="IOException">A download failed or a file could not be written; one sentence says why and what
    /// to do.</exception>
    public async Task<IReadOnlyList<string>> FetchAsync(
        DataEntry entry,
        DataSearch? folders = null,
        string? folder = null,
        IProgress<DownloadProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(entry);
        folders ??= DataFolders.Current;
        var places = new List<string>();
        foreach (var file in entry.Files)
        {
            cancellation.ThrowIfCancellationRequested();
            var found = folders.Find(file);
            var wrong = found is null ? null : file.Verify(found);
            if (found is not null && wrong is null)
            {
                places.Add(found);
                continue;
            }
            if (file.Urls.Count == 0)
                throw new InvalidOperationException(
                    $"'{entry.Name}' cannot be fetched for you "
                        + $"({entry.Licence}){(found is null ? "" : $", and '{found}' {wrong}")}; to get it: "
                        + $"{entry.HowToGet}."
                );
            var target = Path.GetFullPath(Path.Combine(folder ?? DataFolders.DownloadFolder, file.Path));
            if (found is not null && found != target)
                throw new IOException(
                    $"'{found}' {wrong}, and it would hide a fresh download; move it away and fetch again"
                );
            places.Add(
                await DownloadAsync(file, folder ?? DataFolders.DownloadFolder, progress, cancellation)
                    .ConfigureAwait(false)
            );
        }
        return places;
    }

    /// <summary>Downloads one file from the first of its addresses that works.</summary>
    /// <param name="file">The file of the manifest; it must have a checksum, or record that of its first
    /// download.</param>
    /// <param name="folder">The data folder to download to; made where it is missing.</param>
    /// <param name="progress">Receives every block that arrives, or null.</param>
    /// <param name="cancellation">Stops the download; what has arrived is kept for the next time.</param>
    /// <returns>The file on this machine. One that is there already and right is not downloaded again.</returns>
    /// <exception cref="ArgumentException">The file has no address or no checksum.</exception>
    /// <exception cref="IOException">The download failed or the file could not be written; one sentence says why and
    /// what to do.</exception>
    public async Task<string> DownloadAsync(
        DataFile file,
        string folder,
        IProgress<DownloadProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        if (file.Urls.Count == 0)
            throw new ArgumentException($"'{file.Path}' has no address to download it from", nameof(file));
        if (file.Sha256 is null && !file.RecordsSum)
            throw new ArgumentException(
                $"'{file.Path}' has no checksum, so that a download could not be trusted",
                nameof(file)
            );
        if (DataSearch.IsUnsafe(file.Path))
            throw new ArgumentException(
                $"a data path must be relative and stay inside the data folder, was '{file.Path}'",
                nameof(file)
            );
        var target = Path.GetFullPath(Path.Combine(folder, file.Path));
        if (File.Exists(target) && file.Verify(target) is null)
        {
            if (file.RecordsSum && RecordedChecksum.Of(target) is null)
                Writing(target, () => RecordedChecksum.Write(target, RecordedChecksum.Compute(target)));
            return target;
        }
        Writing(target, () => Directory.CreateDirectory(Path.GetDirectoryName(target)!));

        var failures = new List<string>();
        foreach (var url in file.Urls)
        {
            // two addresses may pack the same content differently, so that a part goes on only from where it came
            var part = PartOf(target, url);
            try
            {
                await FromAsync(url, file, target, part, progress, cancellation).ConfigureAwait(false);
                Writing(target, () => File.Move(part, target, overwrite: true));
                foreach (var other in file.Urls)
                    Forget(PartOf(target, other));
                return target;
            }
            catch (SourceException e)
            {
                failures.Add($"{url} {e.Message}");
            }
        }
        throw new IOException(
            $"'{file.Path}' could not be downloaded: {string.Join("; ", failures)}; check the network, or put "
                + $"the file into a folder that {DataSearch.Variable} names"
        );
    }

    /// <summary>Lets go of its connections.</summary>
    public void Dispose() => client.Dispose();

    private static string PartOf(string target, string url) =>
        $"{target}.{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(url)))[..8]}.part";

    // What the server tagged the part with lies beside it.
    private static string TagOf(string part) => part + ".tag";

    private static void Forget(string part)
    {
        TryDelete(part);
        TryDelete(TagOf(part));
    }

    private async Task FromAsync(
        string url,
        DataFile file,
        string target,
        string part,
        IProgress<DownloadProgress>? progress,
        CancellationToken cancellation
    )
    {
        var pause = firstPause;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var (resumed, stated) = await ReceiveAsync(url, file, part, progress, cancellation)
                    .ConfigureAwait(false);
                if ((file.Verify(part) ?? (file.RecordsSum ? Record(target, part, stated) : null)) is not { } wrong)
                    return;
                Forget(part);
                // an old part may not belong to what the server has now: once more from the start
                if (resumed && attempt < attempts)
                    continue;
                throw new SourceException($"sent a file that {wrong}, so it was deleted", transient: false);
            }
            catch (SourceException e) when (e.Transient && attempt < attempts)
            {
                await Task.Delay(pause, cancellation).ConfigureAwait(false);
                pause = TimeSpan.FromSeconds(Math.Min(pause.TotalSeconds * 2, 60));
            }
            catch (SourceException e) when (e.Transient && attempts > 1)
            {
                throw new SourceException(
                    $"{e.Message} ({attempts} attempts; what has arrived is kept and the next attempt goes on "
                        + "from there)",
                    transient: false
                );
            }
        }
    }

    /// <summary>Records the checksum of what has arrived, unless it is not what the host states or what was recorded
    /// before; then half a sentence says so.</summary>
    private static string? Record(string target, string part, string? stated)
    {
        var sum = RecordedChecksum.Compute(part);
        if (stated is not null && stated != sum)
            return $"has the checksum {sum[..16]}…, and the host itself states {stated[..16]}…";
        if (RecordedChecksum.Of(target) is { } before && before != sum)
            return $"has the checksum {sum[..16]}…, and {before[..16]}… was recorded at the first download (delete "
                + $"'{RecordedChecksum.PathFor(target)}' where the new file is wanted)";
        Writing(target, () => RecordedChecksum.Write(target, sum));
        return null;
    }

    /// <summary>One request, appended to the part; whether it went on from an earlier one, and the checksum that the
    /// host states.</summary>
    private async Task<(bool Resumed, string? Stated)> ReceiveAsync(
        string url,
        DataFile file,
        string part,
        IProgress<DownloadProgress>? progress,
        CancellationToken cancellation
    )
    {
        var have = File.Exists(part) ? new FileInfo(part).Length : 0;
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        try
        {
            var tag = have > 0 && File.Exists(TagOf(part)) ? File.ReadAllText(TagOf(part)) : null;
            silence.CancelAfter(patience);
            using var answer = await DownloadAnswer
                .AskAsync(client, url, have, tag, silence.Token)
                .ConfigureAwait(false);
            if (Begin(answer, have, tag, part) is not { } begin)
                return (true, answer.StatedSha256); // nothing is left to receive
            await CopyAsync(answer, begin, file, part, progress, silence).ConfigureAwait(false);
            return (begin > 0, answer.StatedSha256);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new SourceException($"was silent for {patience.TotalSeconds:0.#} s", transient: true);
        }
        catch (HttpRequestException e) when (e.HttpRequestError == HttpRequestError.NameResolutionError)
        {
            throw new SourceException(
                "could not be reached (its name is not known: there seems to be no network)",
                transient: true
            );
        }
        catch (HttpRequestException e)
        {
            throw new SourceException($"could not be reached ({Innermost(e)})", transient: true);
        }
        catch (IOException e) when (e is not WriteException)
        {
            throw new SourceException(
                $"broke off after {(File.Exists(part) ? new FileInfo(part).Length : 0)} bytes ({Innermost(e)})",
                transient: true
            );
        }
    }

    /// <summary>The byte from which the answer goes on: what we have, or 0 for all of it; null where we have all of it
    /// already.</summary>
    private static long? Begin(DownloadAnswer answer, long have, string? tag, string part)
    {
        var response = answer.Response;
        var range = response.Content.Headers.ContentRange;
        switch (response.StatusCode)
        {
            case HttpStatusCode.OK:
                return 0; // the server does not resume: start over
            case HttpStatusCode.PartialContent
                when have > 0 && range?.From == have && (tag is null || answer.Tag is null || tag == answer.Tag):
                return have;
            case HttpStatusCode.RequestedRangeNotSatisfiable when have > 0 && range?.Length == have:
                return null;
            case HttpStatusCode.RequestedRangeNotSatisfiable or HttpStatusCode.PartialContent when have > 0:
                Writing(part, () => Forget(part));
                throw new SourceException("could not go on from what had arrived", transient: true);
            case HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden:
                throw new SourceException(
                    $"wants you to log in ({(int)response.StatusCode}): accept the licence on its page in "
                        + "a browser and fetch the file there",
                    transient: false
                );
            case HttpStatusCode.NotFound or HttpStatusCode.Gone:
                throw new SourceException($"has no such file ({(int)response.StatusCode})", transient: false);
            default:
                var code = (int)response.StatusCode;
                throw new SourceException(
                    $"answered {code} {response.ReasonPhrase}",
                    transient: code is 408 or 429 or >= 500
                );
        }
    }

    /// <summary>Writes what the server sends behind the first bytes of the part.</summary>
    private async Task CopyAsync(
        DownloadAnswer answer,
        long have,
        DataFile file,
        string part,
        IProgress<DownloadProgress>? progress,
        CancellationTokenSource silence
    )
    {
        var content = answer.Response.Content;
        var total = content.Headers.ContentLength is { } length ? have + length : (long?)null;
        Writing(part, () => CheckRoom(part, total - have));
        if (have == 0)
            Writing(part, () => KeepTag(part, answer.Tag));
        await using var from = await content.ReadAsStreamAsync(silence.Token).ConfigureAwait(false);
        await using var to = Writing(
            part,
            () =>
                new FileStream(
                    part,
                    have > 0 ? FileMode.Append : FileMode.Create,
                    FileAccess.Write,
                    FileShare.None,
                    bufferSize: 0
                )
        );
        // packing can add a little
        var limit = file.Bytes is { } bytes ? bytes + bytes / 100 + 4096 : long.MaxValue;
        var buffer = new byte[1 << 17];
        progress?.Report(new DownloadProgress(file.Path, have, total));
        while (true)
        {
            silence.CancelAfter(patience);
            var read = await from.ReadAsync(buffer, silence.Token).ConfigureAwait(false);
            if (read == 0)
                break;
            Writing(part, () => to.Write(buffer, 0, read));
            have += read;
            if (have > limit)
            {
                to.Close();
                Forget(part);
                throw new SourceException(
                    $"sent more than the {file.Bytes} bytes expected, so what had arrived was deleted",
                    transient: false
                );
            }
            progress?.Report(new DownloadProgress(file.Path, have, total));
        }
        if (have < total)
            throw new SourceException($"broke off after {have} of {total} bytes", transient: true);
    }

    private static void KeepTag(string part, string? tag)
    {
        if (tag is not null)
            File.WriteAllText(TagOf(part), tag);
        else
            File.Delete(TagOf(part));
    }

    private static void CheckRoom(string part, long? bytes)
    {
        var free = new DriveInfo(Path.GetDirectoryName(part)!).AvailableFreeSpace;
        if (bytes > free)
            throw new IOException(
                $"it needs {DataReport.Size(bytes.Value)} and the disk has {DataReport.Size(free)} free"
            );
    }

    private static string Innermost(Exception e)
    {
        while (e.InnerException is { } inner)
            e = inner;
        return e.Message.TrimEnd('.');
    }

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // it is only in the way; the next download overwrites it
        }
    }

    private static void Writing(string path, Action action) =>
        Writing(
            path,
            () =>
            {
                action();
                return true;
            }
        );

    private static T Writing<T>(string path, Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var full = (e.HResult & 0xffff) is 28 or 0x70 or 0x27 && e.GetType() == typeof(IOException);
            throw new WriteException(
                full
                    ? $"the disk is full: '{path}' could not be written; make room, or set "
                        + "BALANCED_DIFFUSION_CACHE to a folder on another disk, and try again (what has arrived "
                        + "is kept)"
                    : $"'{path}' could not be written ({e.Message.TrimEnd('.')}); set BALANCED_DIFFUSION_CACHE "
                        + "to a folder that can be written, and see that no other download is running",
                e
            );
        }
    }

    private sealed class WriteException(string message, Exception cause) : IOException(message, cause);

    private sealed class SourceException(string message, bool transient) : Exception(message)
    {
        public bool Transient => transient;
    }
}
