namespace BalancedDiffusion.Tests.Datasets;

/// <summary>An empty folder that is gone after the test.</summary>
internal sealed class ScratchFolder : IDisposable
{
    public ScratchFolder() => Directory.CreateDirectory(Path);

    public string Path { get; } =
        System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"balanced-diffusion-test-{Guid.NewGuid():n}");

    public string this[string relative] => System.IO.Path.Combine(Path, relative);

    public string Write(string relative, params byte[] content)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(this[relative])!);
        File.WriteAllBytes(this[relative], content);
        return this[relative];
    }

    public IEnumerable<string> Files =>
        Directory
            .EnumerateFiles(Path, "*", SearchOption.AllDirectories)
            .Select(f => System.IO.Path.GetRelativePath(Path, f))
            .Order();

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
