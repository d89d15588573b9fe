using System.Text.Json.Nodes;
using BalancedDiffusion.Reproduce;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Notebook.Tests;

public sealed class EnvironmentCommandLineTests : IDisposable
{
    private readonly EnvironmentWorkspace place = new();

    public void Dispose() => place.Dispose();

    [Theory]
    [InlineData("run --profile slow", "--profile must be quick or full, was 'slow'")]
    [InlineData("run --profile", "--profile needs a value")]
    [InlineData("run --data --profile quick", "--data needs a value")]
    [InlineData("run --data cats", "--data must be faces, fashion-mnist or celeba, was 'cats'")]
    [InlineData("run --device tpu", "--device must be auto, cpu or cuda, was 'tpu'")]
    [InlineData("run --seed -1", "--seed must be a whole number")]
    [InlineData("run --seed 1.5", "--seed must be a whole number")]
    [InlineData("run --timeout 0", "--timeout must be minutes above 0")]
    [InlineData("run --timeout NaN", "--timeout must be minutes above 0")]
    [InlineData("run --timeout soon", "--timeout must be minutes above 0")]
    [InlineData("run --jobs 0", "--jobs must be a whole number from 1 to 64, was '0'")]
    [InlineData("run --jobs -2", "--jobs must be a whole number from 1 to 64, was '-2'")]
    [InlineData("run --jobs two", "--jobs must be a whole number from 1 to 64, was 'two'")]
    [InlineData("publish --jobs 65", "--jobs must be a whole number from 1 to 64, was '65'")]
    [InlineData("run --jobs", "--jobs needs a value")]
    [InlineData("run --bogus 1", "Unknown option 'bogus'")]
    [InlineData("run 7", "there is no notebook 07; there are 00, 02")]
    [InlineData("run 5-9", "no notebook's number lies in 5-9")]
    [InlineData("run 2-0", "the range '2-0' runs backwards")]
    [InlineData("run 1x", "'1x' is neither a command nor a notebook's number")]
    [InlineData("rnu", "'rnu' is neither a command nor a notebook's number")]
    [InlineData("run --out Notebooks.sln", "--out must name a folder, but 'Notebooks.sln' is a file")]
    [InlineData("run --out .", "would overwrite the notebooks themselves")]
    [InlineData("run --out notebooks/new", "would overwrite the notebooks themselves")]
    [InlineData("publish --data celeba", "must not be redistributed")]
    [InlineData("check 9", "there is no notebook 09")]
    [InlineData("kernel install --prefix Notebooks.sln", "--prefix must name a folder")]
    [InlineData("data fetch no-such-set", "there is no data set or checkpoint named 'no-such-set'")]
    [InlineData("data fetch", "missing required argument 'NAME'")]
    [InlineData("train", "missing required argument 'MODEL'")]
    [InlineData(
        "train relu",
        "there is no model 'relu'; known are relu-diffusion-memorizing, relu-diffusion-generalizing, "
            + "unet-memorizing, unet-generalizing, unet-hybrid, dit-memorizing, dit-generalizing, dit-hybrid, "
            + "attribute-regressor, mini-vae, mini-sd, mini-dit-memorizing, mini-dit-generalizing, mini-dit-hybrid, "
            + "mini-edm-memorizing, mini-edm-generalizing, mini-edm-hybrid, mini-edm-ladder, face-features, "
            + "face-features-32."
    )]
    [InlineData(
        "train attribute-regressor --data fashion-mnist",
        "fashion-mnist has no attributes to read; use --data faces or --data celeba"
    )]
    [InlineData("train attribute-regressor --data fashion-mnist --steps 0", "fashion-mnist has no attributes to read")]
    [InlineData(
        "train dit-hybrid --data fashion-mnist --out Notebooks.sln",
        "--out must name a folder, but 'Notebooks.sln' is a file"
    )]
    [InlineData(
        "train attribute-regressor --data celeba --out Notebooks.sln",
        "--out must name a folder, but 'Notebooks.sln' is a file"
    )]
    [InlineData(
        "train relu-diffusion-hybrid",
        "there is no model 'relu-diffusion-hybrid'; known are relu-diffusion-memorizing"
    )]
    [InlineData("train UNet-hybrid", "there is no model 'UNet-hybrid'; known are relu-diffusion-memorizing")]
    [InlineData("train dit-hybrid --data cats", "--data must be one of faces, fashion-mnist, celeba, was 'cats'")]
    [InlineData("train unet-generalizing --steps -3", "--steps must be at least 1, was -3")]
    [InlineData("train dit-hybrid --out Notebooks.sln", "--out must name a folder, but 'Notebooks.sln' is a file")]
    [InlineData(
        "train relu-diffusion-memorizing --data cats",
        "--data must be one of faces, fashion-mnist, celeba, was 'cats'"
    )]
    [InlineData("train relu-diffusion-memorizing --steps 0", "--steps must be at least 1, was 0")]
    [InlineData("train relu-diffusion-memorizing --steps", "--steps needs a value")]
    [InlineData("train mini-vae --batch 0", "--batch must be at least 1, was 0")]
    [InlineData("train mini-vae --layout f2", "--layout must be one of f4c4, f4c4-wide, f8c8, f8c16, was 'f2'")]
    [InlineData("train mini-vae --images 9", "--images is for miniatures but mini-vae (mini-…); leave it out")]
    [InlineData("train mini-sd --images 0", "--images must be at least 1, was 0")]
    [InlineData("train mini-sd --data celeba", "mini-sd is trained on faces; leave --data out")]
    [InlineData("train face-features-32 --data celeba", "face-features-32 is trained on faces; leave --data out")]
    [InlineData("train mini-edm-ladder --images 9", "--images must be at least 10 for mini-edm-ladder, was 9")]
    [InlineData("train unet-hybrid --batch 8", "--batch is for miniatures (mini-…); leave it out")]
    [InlineData("train mini-vae --threads 0", "--threads must be at least 1, was 0")]
    [InlineData("train relu-diffusion-memorizing --seed -1", "--seed must be 0 or more, was -1")]
    [InlineData(
        "train relu-diffusion-memorizing --out Notebooks.sln",
        "--out must name a folder, but 'Notebooks.sln' is a file"
    )]
    [InlineData("exercises test", "this command belongs to the teacher's clone, not to a student's copy")]
    [InlineData("exercises build --out", "--out needs a value")]
    [InlineData("exercises build --out Notebooks.sln", "--out must name a folder, but 'Notebooks.sln' is a file")]
    [InlineData("exercises build --solved --out notebooks/exercises", "solutions do not belong into notebooks/")]
    [InlineData("course new", "missing required argument 'DIR'")]
    [InlineData("course grade", "missing required argument 'SUBMISSIONS'")]
    [InlineData("course grade in --timeout 0", "--timeout must be seconds from 1 to 36000, was '0'")]
    [InlineData("course grade in --timeout soon", "--timeout must be seconds from 1 to 36000, was 'soon'")]
    [InlineData("course grade in", "this command belongs to the teacher's clone")]
    public async Task AWrongCommandLineGetsOneSentenceAndExitsWith2(string line, string sentence)
    {
        place.Add("00-a", "1");
        place.Add("02-b", "1");
        var (code, output) = await RunAsync(line);
        Assert.Equal((CommandLine.UsageError, true), (code, output.Contains(sentence)));
        Assert.Single(output.Trim().Split('\n'));
    }

    [Theory]
    [InlineData("--help", "publish")]
    [InlineData("run --help", "--timeout")]
    [InlineData("run --help", "--jobs")]
    [InlineData("list --help", "USAGE")]
    [InlineData("check --help", "numbers")]
    [InlineData("publish --help", "--profile")]
    [InlineData("kernel install --help", "--prefix")]
    [InlineData("site --help", "--katex")]
    [InlineData("data --help", "fetch")]
    [InlineData("train --help", "--steps")]
    [InlineData("data fetch --help", "NAME")]
    [InlineData("exercises --help", "build")]
    [InlineData("exercises build --help", "--solved")]
    [InlineData("exercises test --help", "numbers")]
    [InlineData("course new --help", "DIR")]
    [InlineData("course grade --help", "--timeout")]
    public async Task EveryCommandExplainsItself(string line, string word)
    {
        var (code, output) = await RunAsync(line);
        Assert.Equal(0, code);
        Assert.Contains(word, output);
    }

    [Fact]
    public async Task OutsideTheRepositoryTheProgramSOwnIsTakenAndAFolderWithoutOneIsRefused()
    {
        Assert.Throws<UsageException>(() => Workspace.Find(Path.GetPathRoot(Path.GetTempPath())!));
        Assert.Equal(0, (await RunAsync("list", Path.GetTempPath())).Code);
    }

    [Fact]
    public void NumbersAndRangesChooseNotebooksOnceAndInOrder()
    {
        foreach (var stem in new[] { "00-a", "02-b", "03-c", "10-d", "no-number" })
            place.Add(stem, "1");
        Assert.Equal(["00-a", "02-b", "03-c", "10-d"], place.Repository.Select([]).Select(n => n.Stem));
        Assert.Equal(["02-b", "03-c", "10-d"], place.Repository.Select(["10", "2-3", "02"]).Select(n => n.Stem));
    }

    [Fact]
    public void TwoNotebooksOfOneNumberAreRefused()
    {
        place.Add("00-a", "1");
        place.Add("00-b", "1");
        Assert.Contains("00-a, 00-b", Assert.Throws<UsageException>(() => place.Repository.Notebooks()).Message);
    }

    [Fact]
    public async Task TheListShowsTitlesAndCheckFindsWhatWasNotRun()
    {
        place.Add("00-a", "1");
        Assert.Contains("A small notebook", (await RunAsync("list")).Output);
        var (code, output) = await RunAsync("check");
        Assert.Equal(1, code);
        Assert.Contains("00-a, cell 2: the cell was not run", output);
    }

    [Fact]
    public async Task TheKernelIsRegisteredWithThePinnedTool()
    {
        var (code, _) = await RunAsync("kernel install --prefix venv");
        Assert.Equal(0, code);
        var spec = JsonNode.Parse(
            File.ReadAllText(
                Path.Combine(place.Root, "venv", "share", "jupyter", "kernels", ".net-csharp", "kernel.json")
            )
        )!;
        Assert.Equal(".NET (C#)", (string?)spec["display_name"]);
        var words = spec["argv"]!.AsArray().Select(w => (string)w!).ToList();
        Assert.Equal("dotnet", words[0]);
        Assert.Equal("0", (string?)spec["env"]!["DOTNET_gcConcurrent"]);
        Assert.Equal("1", (string?)spec["env"]!["MALLOC_ARENA_MAX"]);
        Assert.Contains("glibc.malloc.hugetlb", (string?)spec["env"]!["GLIBC_TUNABLES"]);
        Assert.Contains("{connection_file}", words);
        Assert.Contains("--http-local-only", words);
        Assert.True(File.Exists(words[1]), $"{words[1]} is no file");
        Assert.Contains(BalancedDiffusion.Reproduce.Runner.ToolManifest.Load(place.Repository).Version, words[1]);
    }

    [Fact]
    public async Task PublishingWritesAllNotebooksOrNone()
    {
        var good = place.Add("00-good", "Console.WriteLine(\"hello\");");
        var bad = place.Add("01-bad", "throw new Exception(\"no\");");
        var before = File.ReadAllText(good.File);
        var (code, output) = await RunAsync("publish");
        Assert.Equal(1, code);
        Assert.Contains("Nothing was written", output);
        // What runs is said before the first kernel starts.
        Assert.InRange(
            output.IndexOf("2 notebooks, quick, images faces, ", StringComparison.Ordinal),
            0,
            output.IndexOf("00-good: 1 cells", StringComparison.Ordinal)
        );
        Assert.Equal(before, File.ReadAllText(good.File));

        File.Delete(bad.File);
        (code, output) = await RunAsync("publish --out kept");
        Assert.True(code == 0, output);
        var written = BalancedDiffusion.Reproduce.Runner.Notebooks.NotebookDocument.Load(good.File);
        Assert.Equal(
            (written.SourcesHash, written.OutputsHash),
            (written.StoredSourcesHash, written.StoredOutputsHash)
        );
        Assert.Equal(1, written.CodeCells.Single().ExecutionCount);
        Assert.DoesNotContain(
            Directory.EnumerateFiles(Path.GetDirectoryName(good.File)!),
            f => f.EndsWith(".part", StringComparison.Ordinal)
        );
    }

    private Task<(int Code, string Output)> RunAsync(string line, string? folder = null) =>
        place.RunAsync(line, folder);
}
