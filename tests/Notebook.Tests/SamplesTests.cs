using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>The library in its second host, a file-based app, run as a process from another folder. The first run
/// builds it: <c>--filter-not-trait Speed=slow</c> leaves it out.</summary>
[Collection(NotebookServerTests.WholeMachine.Name)]
[Trait("Speed", "slow")]
public sealed partial class SamplesTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("samples-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task ItsNumbersAreThoseOfTheTheoryAndItsPictureIsWritten()
    {
        var (code, output, errors) = await RunAsync("--out", "drawn.png");
        Assert.True(code == 0, errors + output);
        var norms = StoredImage()
            .Matches(output)
            .Select(row => (Predicted: Number(row.Groups[1]), Trained: Number(row.Groups[2])))
            .ToArray();
        Assert.Equal(5, norms.Length);
        Assert.All(norms, norm => Assert.Equal(1, norm.Trained / norm.Predicted, 0.005));
        Assert.InRange(Number(Ratio().Match(output).Groups[1]), 1 - 1e-4, 1.01);
        var networks = Network()
            .Matches(output)
            .Select(row =>
                row.Groups[2]
                    .Value.Split(' ', StringSplitOptions.RemoveEmptyEntries)
                    .Select(cell => double.Parse(cell, CultureInfo.InvariantCulture))
                    .ToArray()
            )
            .ToArray();
        Assert.Equal(2, networks.Length);
        var (memorizing, generalizing) = (networks[0], networks[1]);
        Assert.True(
            memorizing[0] > 1 && generalizing[0] < 1,
            "the memorizing network harms unseen images, the generalizing one denoises them"
        );
        Assert.True(
            memorizing[1] > generalizing[1] && memorizing[2] < generalizing[2],
            "the memorizing network's representation is the spikier one"
        );
        Assert.True(
            memorizing[3] > 0.5 && generalizing[3] < 0.05,
            "the memorizing network's samples are its training images, the generalizing one's are not"
        );
        Assert.Equal([0x89, 0x50, 0x4E, 0x47], File.ReadAllBytes(Path.Combine(folder, "drawn.png"))[..4]);
    }

    [Theory]
    [InlineData("there is no option '--seeds'; known are --data and --out", "--seeds", "1")]
    [InlineData("--data needs a value", "--data")]
    [InlineData(
        "there is no image data set named 'photos'; known are faces, fashion-mnist, celeba",
        "--data",
        "photos"
    )]
    [InlineData(
        "--out must name a file in a folder that exists, was 'nowhere/drawn.png'",
        "--out",
        "nowhere/drawn.png"
    )]
    public async Task AWrongWordEndsInOneSentence(string sentence, params string[] arguments)
    {
        var (code, output, errors) = await RunAsync(arguments);
        Assert.Equal((2, ""), (code, output));
        Assert.StartsWith($"Error: {sentence}", errors);
        Assert.Single(errors.TrimEnd().Split('\n'));
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
    }

    private async Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments)
    {
        var cancellation = TestContext.Current.CancellationToken;
        var app = Path.Combine(Workspace.Find(AppContext.BaseDirectory).Root, "environment", "samples.cs");
        var start = new ProcessStartInfo("dotnet", ["run", "--file", app, "--", .. arguments])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        try
        {
            var (output, errors) = (
                process.StandardOutput.ReadToEndAsync(cancellation),
                process.StandardError.ReadToEndAsync(cancellation)
            );
            await process.WaitForExitAsync(cancellation).WaitAsync(TimeSpan.FromMinutes(8), cancellation);
            return (process.ExitCode, await output, await errors);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    private static double Number(Group group) => double.Parse(group.Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^\d +([\d.]+) +([\d.]+) *\r?$", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex StoredImage();

    [GeneratedRegex(@"loss over closed form: ([\d.]+)", RegexOptions.CultureInvariant)]
    private static partial Regex Ratio();

    [GeneratedRegex(
        @"^(memorizing|generalizing) +([\d. ]+?) *\r?$",
        RegexOptions.Multiline | RegexOptions.CultureInvariant
    )]
    private static partial Regex Network();
}
