using System.Diagnostics;
using System.IO.Compression;
using System.Xml.Linq;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>What <c>dotnet pack</c> makes of the two libraries, unpacked.</summary>
public sealed class PackageTests
{
    private static readonly string Root = Workspace.Find(AppContext.BaseDirectory).Root;

    [Theory]
    [InlineData("BalancedDiffusion", "MathNet.Numerics Microsoft.ML.Tokenizers SkiaSharp System.IO.Hashing TorchSharp")]
    [InlineData(
        "BalancedDiffusion.Notebook",
        "BalancedDiffusion Deedle Microsoft.DotNet.Interactive Microsoft.DotNet.Interactive.Formatting Plotly.NET "
            + "Plotly.NET.CSharp Plotly.NET.ImageExport"
    )]
    public async Task APackageSaysWhatItIsAndAsksForManagedPackagesOnly(string project, string needed)
    {
        var folder = Directory.CreateTempSubdirectory("package-test-");
        try
        {
            await PackAsync(project, folder.FullName);
            using var package = Open(folder, "*.nupkg");
            var nuspec = Nuspec(package);
            var metadata = nuspec.Elements().Single(e => e.Name.LocalName == "metadata");
            XElement Child(string name) => metadata.Elements().Single(e => e.Name.LocalName == name);
            Assert.Equal(project, Child("id").Value);
            Assert.Matches(@"^\d+\.\d+\.\d+", Child("version").Value);
            Assert.Equal(("expression", "MIT"), (Child("license").Attribute("type")!.Value, Child("license").Value));
            Assert.Equal("Balanced Diffusion contributors", Child("authors").Value);
            Assert.InRange(Child("description").Value.Length, 80, 4000);
            Assert.Contains("diffusion-models", Child("tags").Value.Split(' '));
            Assert.Equal("git", Child("repository").Attribute("type")!.Value);
            Assert.True(package.GetEntry(Child("readme").Value)!.Length > 200);

            var dependencies = metadata
                .Descendants()
                .Where(e => e.Name.LocalName == "dependency")
                .Select(e => e.Attribute("id")!.Value)
                .ToHashSet();
            Assert.Superset(needed.Split(' ').ToHashSet(), dependencies);
            // Of the library nothing else; the notebook layer adds what pins one version of a package everywhere.
            if (project == "BalancedDiffusion")
                Assert.Equal(needed.Split(' '), dependencies.Order(StringComparer.Ordinal));
            Assert.DoesNotContain(
                dependencies,
                id =>
                    id.StartsWith("libtorch", StringComparison.OrdinalIgnoreCase)
                    || id.Contains("NativeAssets", StringComparison.OrdinalIgnoreCase)
            );

            var files = package.Entries.Select(e => e.FullName).ToArray();
            Assert.Contains($"lib/net10.0/{project}.dll", files);
            Assert.Contains($"lib/net10.0/{project}.xml", files);
            Assert.DoesNotContain(files, file => file.StartsWith("runtimes/", StringComparison.Ordinal));
            using var symbols = Open(folder, "*.snupkg");
            Assert.NotNull(symbols.GetEntry($"lib/net10.0/{project}.pdb"));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void OnlyTheLibrariesArePackages()
    {
        var packed = new[] { "lib", "environment", "tests" }
            .SelectMany(folder =>
                Directory.EnumerateFiles(Path.Combine(Root, folder), "*.csproj", SearchOption.AllDirectories)
            )
            .Where(file => !file.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj"))
            .Where(file => File.ReadAllText(file).Contains("<IsPackable>true<", StringComparison.Ordinal))
            .Select(file => Path.GetFileNameWithoutExtension(file));
        Assert.Equal(["BalancedDiffusion", "BalancedDiffusion.Notebook"], packed.Order(StringComparer.Ordinal));
        Assert.Contains(
            "<IsPackable>false<",
            File.ReadAllText(Path.Combine(Root, "Directory.Build.props")),
            StringComparison.Ordinal
        );
    }

    // What the build of these tests has made, packed: no second build, and nothing that it writes is changed.
    private static async Task PackAsync(string project, string output)
    {
        var configuration = Path.GetFileName(
            Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory))!
        );
        using var process = Process.Start(
            new ProcessStartInfo(
                "dotnet",
                ["pack", $"lib/{project}", "--no-build", "-c", configuration, "--output", output, "-nodeReuse:false"]
            )
            {
                WorkingDirectory = Root,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            }
        )!;
        var cancellation = TestContext.Current.CancellationToken;
        var (said, error) = (
            process.StandardOutput.ReadToEndAsync(cancellation),
            process.StandardError.ReadToEndAsync(cancellation)
        );
        await process.WaitForExitAsync(cancellation);
        Assert.True(process.ExitCode == 0, await said + await error);
    }

    private static ZipArchive Open(DirectoryInfo folder, string pattern) =>
        ZipFile.OpenRead(Assert.Single(folder.EnumerateFiles(pattern)).FullName);

    private static XElement Nuspec(ZipArchive package)
    {
        using var stream = Assert
            .Single(package.Entries, e => e.FullName.EndsWith(".nuspec", StringComparison.Ordinal))
            .Open();
        return XDocument.Load(stream).Root!;
    }
}
