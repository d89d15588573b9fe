namespace BalancedDiffusion.Datasets;

/// <summary>How far a download is.</summary>
/// <param name="File">The file's path in the manifest.</param>
/// <param name="Received">Bytes received so far, those of an earlier attempt that is resumed included.</param>
/// <param name="Total">Bytes to receive, or null where the server does not say.</param>
public sealed record DownloadProgress(string File, long Received, long? Total);
