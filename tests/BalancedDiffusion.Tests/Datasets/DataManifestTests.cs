using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Protocols;

namespace BalancedDiffusion.Tests.Datasets;

public class DataManifestTests
{
    [Fact]
    public void TheBuiltInManifestIsTheRepositorysAndKnowsItsEntries()
    {
        var manifest = DataManifest.Load();
        Assert.Equal(
            [
                "fashion-mnist",
                "celeba-32",
                "celeba",
                "relu-dae-checkpoints",
                "relu-diffusion",
                "deep-networks",
                "attribute-regressor",
                "miniatures",
                "sd14",
                "dit-xl-2",
                "edm-cifar10",
                "sd14-memorized-prompts",
            ],
            manifest.Names
        );
        Assert.Equal(manifest.Names, DataManifest.Parse(File.ReadAllText(DataFolders.Require("manifest.json"))).Names);
        Assert.True(manifest["Fashion-MNIST"].CanBeFetched);
        Assert.Equal(16 + 60_000 * 784 + 16 + 10_000 * 784 + 8 + 60_000 + 8 + 10_000, manifest["fashion-mnist"].Bytes);
        Assert.Equal(20 + 10_000 * 3072, manifest["celeba-32"].Files[0].Bytes);
        foreach (var entry in manifest.Entries.Skip(1))
        {
            Assert.Equal(
                entry.Name is "relu-diffusion" or "deep-networks" or "attribute-regressor" or "miniatures",
                entry.Redistributable
            );
            Assert.Equal(
                entry.Name is "sd14" or "dit-xl-2" or "edm-cifar10" or "sd14-memorized-prompts",
                entry.CanBeFetched
            );
        }
    }

    [Fact]
    public void TheWeightsOfOurOwnLieInTheRepositoryAsTheManifestSaysAndLoad()
    {
        foreach (var file in DataManifest.Load()["relu-diffusion"].Files)
        {
            var place = DataFolders.Find(file.Path);
            Assert.True(place is not null, file.Path);
            Assert.Null(file.Verify(place));
            using var model = BalancedDiffusion.Checkpoints.ReluDiffusionCheckpoint.Load(place);
            Assert.Equal(file.Path.Contains("fashion") ? 784 : 1024, model.Dimension);
            Assert.StartsWith(
                "dotnet run --project environment -- train relu-diffusion-",
                BalancedDiffusion.Checkpoints.ReluDiffusionCheckpoint.Provenance(place)["command"]
            );
        }
    }

    [Fact]
    public void TheDeepNetworksOfOurOwnLieInTheRepositoryAsTheManifestSaysAndDenoise()
    {
        var files = DataManifest.Load()["deep-networks"].Files;
        Assert.Equal(
            DeepPreset.All.SelectMany(p => new[] { p.File("faces"), p.File("fashion-mnist") }).Order(),
            files.Select(f => f.Path).Order()
        );
        foreach (var file in files)
        {
            using var scope = TorchSharp.torch.NewDisposeScope();
            var place = DataFolders.Find(file.Path);
            Assert.True(place is not null, file.Path);
            Assert.Null(file.Verify(place));
            var model = DeepCheckpoint.Load(place);
            using var owner = (IDisposable)model;
            var side = file.Path.Contains("fashion") ? 28 : 32;
            Assert.Equal([1, side, side], model.SampleShape);
            Assert.StartsWith(
                "dotnet run --project environment -- train ",
                DeepCheckpoint.Provenance(place)["command"]
            );
            if (file.Path.Contains("fashion") && DataFolders.Find("fashion-mnist/train-images-idx3-ubyte.gz") is null)
                continue;
            // Trained: at a level of 0.5 it removes most of the noise from an image of its own kind.
            var clean = ImageSources.Open(file.Path.Contains("fashion") ? "fashion-mnist" : "faces").Train(10).Images;
            var noise = BalancedDiffusion.Noise.GaussianNoise.Draw(clean.shape, 1) * 0.5;
            var left = (model.DenoiseAt(clean + noise, 0.5) - clean).square().mean().item<float>();
            Assert.True(left < 0.25 * 0.25, $"{file.Path} leaves {left} of 0.25");
        }
    }

    [Fact]
    public void TheReaderOfAttributesLiesInTheRepositoryAsTheManifestSaysAndReads()
    {
        var file = DataManifest.Load()["attribute-regressor"].Files.Single();
        Assert.Equal(SteeringConcept.AttributeRegressorFile("faces"), file.Path);
        var place = DataFolders.Find(file.Path);
        Assert.True(place is not null, file.Path);
        Assert.Null(file.Verify(place));
        using var regressor = AttributeRegressor.Load(place);
        var faces = new BalancedDiffusion.Datasets.ParametricFaces();
        Assert.Equal(SteeringConcept.Of(faces).Select(c => c.Attribute), regressor.Names);
        using var heldOut = faces.Test(500);
        // Far better than the mean on faces that it never saw, in every attribute.
        Assert.All(regressor.Evaluate(heldOut), e => Assert.True(e.ExplainedVariance > 0.4, $"{e}"));
    }

    [Fact]
    public void PublishedWeightsSayTheirSizeAndLicenceAndAreAskedFor()
    {
        var manifest = DataManifest.Load();
        foreach (var name in new[] { "sd14", "dit-xl-2", "edm-cifar10" })
            Assert.True(manifest[name].AsksFirst, name);
        Assert.False(manifest["fashion-mnist"].AsksFirst);
        Assert.Equal(
            ("about 4.3 GB", "3 GB", "about 223 MB"),
            (manifest["sd14"].SizeText, manifest["dit-xl-2"].SizeText, manifest["edm-cifar10"].SizeText)
        );
        // 675,129,632 float32 weights and a little for the archive around them
        Assert.InRange(manifest["dit-xl-2"].Files[0].Bytes!.Value, 675_129_632L * 4, 675_129_632L * 4 + 200_000);
        // What has no published checksum says so, and its address names one revision.
        foreach (var file in manifest.Entries.SelectMany(e => e.Files).Where(f => f.Urls.Count > 0 && f.Sha256 is null))
        {
            Assert.True(file.RecordsSum, file.Path);
            Assert.All(file.Urls, url => Assert.Matches("/resolve/[0-9a-f]{40}/", url));
        }
        Assert.Contains(
            "checksums: no published one is at hand for 11 of 11 files",
            DataReport.Create(manifest, new DataSearch("nowhere")).ToString()
        );
    }

    [Fact]
    public void TheMiniaturesLieInTheRepositoryAsTheManifestSaysAndWork()
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        using var noGrad = TorchSharp.torch.no_grad();
        foreach (var file in DataManifest.Load()["miniatures"].Files)
        {
            var place = DataFolders.Find(file.Path);
            Assert.True(place is not null, file.Path);
            Assert.Null(file.Verify(place));
            if (place.EndsWith(".safetensors", StringComparison.Ordinal))
                Assert.StartsWith(
                    "dotnet run --project environment -- train ",
                    Safetensors.ReadMetadata(place)["command"]
                );
        }
        using var faces = new CaptionedFaces().HeldOut(32);
        using var autoencoder = AutoencoderCheckpoint.Load(
            Path.GetDirectoryName(DataFolders.Require("checkpoints/mini-vae/vae/config.json"))!
        );
        Assert.Equal(AutoencoderTraining.MiniVae, autoencoder.Options);
        var latents = autoencoder.Encode(faces.Images).Mean;
        // Standardized, and faces come back at 30 dB and more.
        Assert.InRange(latents.mean().item<float>(), -0.1, 0.1);
        Assert.InRange(latents.std().item<float>(), 0.9, 1.1);
        var error = (autoencoder.Decode(latents).clamp(-1, 1) - faces.Images).square().mean([1L, 2L, 3L]);
        Assert.True((10 * (4 / error).log10()).mean().item<float>() >= 30);
        // The features tell age and glasses on faces that they have not seen.
        using var features = AttributeRegressor.Load(DataFolders.Require(FaceFeatures.File(64)));
        var errors = features.Evaluate(faces).ToDictionary(e => e.Name, e => e.Concordance);
        Assert.True(errors["Age"] > 0.75 && errors["Glasses"] > 0.9, $"{errors["Age"]}, {errors["Glasses"]}");
    }

    [Fact]
    public void AnUnknownNameIsAnsweredWithTheKnownOnes()
    {
        var message = Assert.Throws<ArgumentException>(() => DataManifest.Load()["mnist"]).Message;
        Assert.Contains("'mnist'", message);
        Assert.Contains(
            "fashion-mnist, celeba-32, celeba, relu-dae-checkpoints, relu-diffusion, deep-networks, "
                + "attribute-regressor, miniatures, sd14, dit-xl-2, edm-cifar10, sd14-memorized-prompts",
            message
        );
    }

    [Theory]
    [InlineData("{", "cannot be read")]
    [InlineData("""{"entries":[{"name":"a"}]}""", "cannot be read")]
    [InlineData("FILE{\"path\":\"../x\",\"urls\":[]}", "'../x'")]
    [InlineData("FILE{\"path\":\"x\",\"urls\":[],\"bytes\":-1}", "-1 bytes")]
    [InlineData("FILE{\"path\":\"x\",\"urls\":[],\"sha256\":\"abc\"}", "'abc'")]
    [InlineData("FILE{\"path\":\"x\"}", "lacks its list of urls")]
    [InlineData("FILE{\"path\":\"x\",\"urls\":[\"ftp://x/y\"]}", "'ftp://x/y'")]
    [InlineData("FILE{\"path\":\"x\",\"urls\":[\"https://x/y\"]}", "no checksum")]
    [InlineData("FILE{\"path\":\"x\",\"urls\":[],\"recordsSum\":true}", "records the checksum of its first download")]
    [InlineData("FILE", "names no files")]
    public void AMalformedManifestIsRefusedWithTheReason(string json, string reason)
    {
        if (json.StartsWith("FILE", StringComparison.Ordinal))
            json =
                """{"entries":[{"name":"a","kind":"data set","title":"t","licence":"l","redistributable":true"""
                + ""","source":"s","citation":"c","howToGet":"h","files":["""
                + json[4..]
                + "]}]}";
        Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => DataManifest.Parse(json)).Message);
    }

    [Fact]
    public void EveryFileThatIsOnThisMachineHasTheManifestsChecksum()
    {
        var report = DataReport.Create(folders: TestData.Search, verify: true);
        Assert.SkipWhen(report.Rows.All(row => row.State == "missing"), "no data on this machine");
        Assert.All(report.Rows, row => Assert.Empty(row.Problems));
    }

    [Fact]
    public void TheContentOfAPackedFileIsJudgedNotItsContainer()
    {
        using var scratch = new ScratchFolder();
        // of 1, 2, 3
        var file = new DataFile("x.gz", 3, "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81", []);
        Assert.Null(file.Verify(scratch.Write("plain", 1, 2, 3)));
        Assert.Null(file.Verify(scratch.Write("packed", IdxTests.Pack([1, 2, 3]))));
        Assert.Contains("expected 3", file.Verify(scratch.Write("short", 1, 2)));
        Assert.Contains("more than the expected 3", file.Verify(scratch.Write("long", IdxTests.Pack([1, 2, 3, 4]))));
        Assert.Contains("checksum", file.Verify(scratch.Write("other", 1, 2, 4)));
        Assert.NotNull(file.Verify(scratch.Write("cut", IdxTests.Pack([1, 2, 3])[..^10])));
        Assert.Contains(
            "damaged gzip",
            file.Verify(scratch.Write("spoilt", [.. IdxTests.Pack([1, 2, 3])[..^6], 9, 9, 9, 9, 9, 9]))
        );
        Assert.Contains("cannot be read", file.Verify(scratch["missing"]));
    }

    [Fact]
    public void TheReportTellsFoundMissingIncompleteAndDamagedApart()
    {
        using var scratch = new ScratchFolder();
        var manifest = DataManifest.Load();
        string State(bool verify = false) =>
            DataReport
                .Create(manifest, new DataSearch(scratch.Path), verify)
                .Rows.Single(r => r.Entry.Name == "relu-dae-checkpoints")
                .State;
        Assert.Equal("missing", State());
        scratch.Write("checkpoints/DAE_sample_5_sigma_0.2.pth", 1, 2, 3);
        Assert.Equal("incomplete", State());
        Assert.Contains(
            "missing: checkpoints/DAE_sample_10000_sigma_0.2.pth",
            DataReport.Create(manifest, new DataSearch(scratch.Path)).ToString()
        );
        scratch.Write("checkpoints/DAE_sample_10000_sigma_0.2.pth", 1, 2, 3);
        Assert.Equal("found", State());
        Assert.Equal("damaged", State(verify: true));

        var text = DataReport
            .Create(manifest, new DataSearch(scratch.Path, scratch["nowhere"]), verify: true)
            .ToString();
        Assert.Contains("holds 3 bytes, expected 411630", text);
        Assert.Contains("to get it: apt-get install dataset-fashion-mnist", text);
        Assert.Contains("licence: MIT", text);
        Assert.Contains(scratch.Path, text);
        Assert.Contains("Warning", text);
    }
}
