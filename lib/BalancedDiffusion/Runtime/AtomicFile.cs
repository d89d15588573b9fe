namespace BalancedDiffusion.Runtime;

/// <summary>A file that is written beside its final name and moved there when it is whole; thrown away
/// otherwise.</summary>
internal sealed class AtomicFile : IDisposable
{
    private readonly string path;

    public AtomicFile(string path)
    {
        this.path = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(this.path)!);
        Temporary = $"{this.path}.{Environment.ProcessId}-{Guid.NewGuid():n}.tmp";
    }

    public string Temporary { get; }

    public void Commit() => File.Move(Temporary, path, overwrite: true);

    public void Dispose() => File.Delete(Temporary);
}
