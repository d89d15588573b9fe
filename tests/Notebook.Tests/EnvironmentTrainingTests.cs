using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Reproduce;
using BalancedDiffusion.Training;
using Spectre.Console;
using TorchSharp;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>The command <c>train</c>, with a cache of its own: unfinished runs are kept there, and the user's must not
/// meet the tests'.</summary>
[Collection(OwnCache.Name)]
public sealed class EnvironmentTrainingTests : IDisposable
{
    /// <summary>The cache is named by a variable of the process, so these tests run when no others do.</summary>
    [CollectionDefinition(Name, DisableParallelization = true)]
    public sealed class OwnCache
    {
        public const string Name = "a cache of its own";
    }

    /// <summary>Acts once on a line that begins so.</summary>
    private sealed class Watched(string beginning, Action act) : StringWriter
    {
        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            if (value?.StartsWith(beginning, StringComparison.Ordinal) is true)
                act();
        }
    }

    private sealed class CallbackProgress<T>(Action<T> report) : IProgress<T>
    {
        public void Report(T value) => report(value);
    }

    private const string Variable = "BALANCED_DIFFUSION_CACHE";
    private const string Transformer = "train dit-memorizing --steps 4 --seed 3 --out";

    private readonly EnvironmentWorkspace place = new();
    private readonly string? before = Environment.GetEnvironmentVariable(Variable);

    public EnvironmentTrainingTests() =>
        Environment.SetEnvironmentVariable(Variable, Path.Combine(place.Root, "cache"));

    public void Dispose()
    {
        Environment.SetEnvironmentVariable(Variable, before);
        place.Dispose();
    }

    private string Unfinished(string name) =>
        Path.Combine(place.Root, "cache", "data", "unfinished", $"{name}.safetensors");

    private string[] AllUnfinished => Directory.GetFiles(Path.Combine(place.Root, "cache", "data", "unfinished"));

    private string Weights(string folder, string model) =>
        Path.Combine(place.Root, folder, "checkpoints", $"{model}-faces.safetensors");

    [Fact]
    public async Task TrainingWritesWeightsThatLoadAndThatSayHowTheyWereMade()
    {
        var (code, output) = await RunAsync("train relu-diffusion-memorizing --steps 2 --seed 3 --out weights");
        Assert.True(code == 0, output);
        var file = Weights("weights", "relu-diffusion-memorizing");
        using var model = ReluDiffusionCheckpoint.Load(file);
        Assert.Equal((1024, 256), (model.Dimension, model.Units));
        var provenance = ReluDiffusionCheckpoint.Provenance(file);
        Assert.Equal(
            "dotnet run --project environment -- train relu-diffusion-memorizing --data faces --seed 3 --steps 2",
            provenance["command"]
        );
        Assert.Equal(("5", "2"), (provenance["images"], provenance["steps"]));
        Assert.DoesNotContain(place.Root, string.Join(" ", provenance.Values));
        Assert.Empty(AllUnfinished);
    }

    [Theory]
    [InlineData("dit-memorizing", typeof(DitDenoiser))]
    [InlineData("unet-memorizing", typeof(EdmPreconditioner))]
    public async Task ADeepNetworkIsTrainedAndKeptAndNothingUnfinishedStays(string model, Type kind)
    {
        var (code, output) = await RunAsync($"train {model} --steps 2");
        Assert.True(code == 0, output);
        // Drawn faces may be passed on, so the repository's own data folder is the place.
        var file = Weights("data", model);
        Assert.Contains($"{model}: 10 images of faces, 1024 pixels; 2 steps\n", output);
        Assert.Contains($"wrote {Path.GetRelativePath(place.Root, file)} after", output);
        var network = DeepCheckpoint.Load(file);
        Assert.IsType(kind, network);
        Assert.Equal([1, 32, 32], network.SampleShape);
        ((IDisposable)network).Dispose();
        var provenance = DeepCheckpoint.Provenance(file);
        Assert.Equal(
            $"dotnet run --project environment -- train {model} --data faces --steps 2",
            provenance["command"]
        );
        Assert.Equal(
            ("faces", "10", "0", "2"),
            (provenance["data"], provenance["images"], provenance["seed"], provenance["steps"])
        );
        Assert.True(
            double.IsFinite(double.Parse(provenance["loss"], System.Globalization.CultureInfo.InvariantCulture))
        );
        Assert.DoesNotContain(place.Root, string.Join(" ", provenance.Values));
        Assert.Empty(AllUnfinished);
    }

    [Fact]
    public async Task TheReaderOfAttributesIsTrainedAndTellsItsError()
    {
        var (code, output) = await RunAsync("train attribute-regressor --steps 2 --seed 1");
        Assert.True(code == 0, output);
        Assert.Contains("Age, Glasses, Smile, Beard, LightX of 60000 images of faces; 2 steps\n", output);
        Assert.Contains("explained variance on 2000 held-out images: Age ", output);
        var file = Weights("data", "attribute-regressor");
        using var reader = AttributeRegressor.Load(file);
        Assert.Equal(["Age", "Glasses", "Smile", "Beard", "LightX"], reader.Names);
        var provenance = BalancedDiffusion.Checkpoints.DeepCheckpoint.Provenance(file);
        Assert.Equal(
            "dotnet run --project environment -- train attribute-regressor --data faces --seed 1 --steps 2",
            provenance["command"]
        );
        Assert.StartsWith("Age ", provenance["explained variance on held-out images"]);
        Assert.DoesNotContain(place.Root, string.Join(" ", provenance.Values));
    }

    [Fact]
    public async Task ARunThatIsInterruptedWritesNoWeightsAndGoesOnWhenAskedAgain()
    {
        using var stop = new CancellationTokenSource();
        using var writer = new Watched("dit-memorizing: ", stop.Cancel);
        var (code, output) = await RunAsync($"{Transformer} weights", writer, stop.Token);
        Assert.True(code == 130, output);
        Assert.False(File.Exists(Weights("weights", "dit-memorizing")));
        Assert.Equal([Unfinished("dit-memorizing-faces-seed3")], AllUnfinished);

        (code, output) = await RunAsync($"{Transformer} weights");
        Assert.True(code == 0, output);
        Assert.Contains("4 steps; going on from where an earlier run was stopped\n", output);
        Assert.True(File.Exists(Weights("weights", "dit-memorizing")));
        Assert.Empty(AllUnfinished);
    }

    [Fact]
    public async Task ARunThatWasStoppedHalfWayEndsWithTheWeightsOfOneThatWasNot()
    {
        using var scope = torch.NewDisposeScope();
        Assert.Equal(0, (await RunAsync($"{Transformer} whole")).Code);

        // What the command does, stopped at step 2.
        var preset = DeepPreset.All.Single(p => p.Name == "dit-memorizing");
        using (var images = preset.Images(ImageSources.Open("faces", seed: 3)))
        using (var stop = new CancellationTokenSource())
        {
            var network = preset.Create(images.Distinct, 3);
            var recipe = preset.Recipe with
            {
                Steps = 4,
                Seed = 3,
                LogEvery = 1,
                CheckpointPath = Unfinished("dit-memorizing-faces-seed3"),
            };
            using var part = preset.Fit(
                network,
                images,
                recipe,
                new CallbackProgress<TrainingProgress>(p =>
                {
                    if (p.Step == 2)
                        stop.Cancel();
                }),
                stop.Token
            );
            Assert.Equal((2, true), (part.StepsDone, part.Cancelled));
            ((IDisposable)network).Dispose();
        }

        // Of another seed, it is another run.
        var (code, output) = await RunAsync("train dit-memorizing --steps 1 --seed 4 --out other");
        Assert.True(code == 0, output);
        Assert.DoesNotContain("going on", output);
        Assert.Equal([Unfinished("dit-memorizing-faces-seed3")], AllUnfinished);

        (code, output) = await RunAsync($"{Transformer} rest");
        Assert.True(code == 0, output);
        Assert.Contains("going on from where an earlier run was stopped", output);
        using var expected = Safetensors.Read(Weights("whole", "dit-memorizing"));
        using var actual = Safetensors.Read(Weights("rest", "dit-memorizing"));
        Assert.Equal(expected.Keys, actual.Keys);
        Assert.All(expected, t => Assert.True(t.Value.eq(actual[t.Key]).all().item<bool>(), t.Key));
        Assert.Equal("4", actual.Metadata["steps"]);
        Assert.Empty(AllUnfinished);
    }

    [Fact]
    public async Task AnUnfinishedRunOfAnotherLengthOrADamagedOneIsRefusedAndLeftAlone()
    {
        using var stop = new CancellationTokenSource();
        using var writer = new Watched("dit-memorizing: ", stop.Cancel);
        Assert.Equal(130, (await RunAsync($"{Transformer} weights", writer, stop.Token)).Code);
        var file = Unfinished("dit-memorizing-faces-seed3");
        var bytes = File.ReadAllBytes(file);

        var (code, output) = await RunAsync("train dit-memorizing --steps 5 --seed 3 --out weights");
        Assert.Equal(1, code);
        Assert.Contains("belongs to another run: its steps is 4, this run's 5", output);
        Assert.Equal(bytes, File.ReadAllBytes(file));

        File.WriteAllBytes(file, bytes[..^1]);
        (code, output) = await RunAsync($"{Transformer} weights");
        Assert.Equal(1, code);
        Assert.Contains("cannot be used", output);
        Assert.Contains("move it away to start over", output);
        Assert.DoesNotContain("   at ", output);
        Assert.Equal(bytes.Length - 1, new FileInfo(file).Length);
        Assert.False(File.Exists(Weights("weights", "dit-memorizing")));
    }

    private async Task<(int Code, string Output)> RunAsync(
        string line,
        StringWriter? watched = null,
        CancellationToken? cancellation = null
    )
    {
        using var own = new StringWriter();
        var writer = watched ?? own;
        var console = AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Out = new AnsiConsoleOutput(writer),
                Ansi = AnsiSupport.No,
                ColorSystem = ColorSystemSupport.NoColors,
                Interactive = InteractionSupport.No,
            }
        );
        var code = await CommandLine.RunAsync(
            line.Split(' ', StringSplitOptions.RemoveEmptyEntries),
            console,
            place.Root,
            cancellation ?? TestContext.Current.CancellationToken
        );
        return (code, writer.ToString().ReplaceLineEndings("\n"));
    }
}
