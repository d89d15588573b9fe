using BalancedDiffusion.Datasets;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Tests.Datasets;

public class DataFoldersTests
{
    [Fact]
    public void TheVariableComesFirstThenTheRepositoryThenTheCacheThenTheSystem()
    {
        using var scratch = new ScratchFolder();
        scratch.Write("repository/Notebooks.sln");
        scratch.Write("repository/lib/deep/x.dll");
        var variable = string.Join(
            Path.PathSeparator,
            scratch["one"],
            "",
            $" {scratch["two"]} ",
            scratch["one"] + Path.DirectorySeparatorChar
        );
        var search = DataSearch.For(
            variable,
            [scratch["repository/lib/deep"], scratch["repository"]],
            scratch["cache"],
            [scratch["system"]]
        );
        Assert.Equal(
            new[] { "one", "two", "repository/data", "cache/data", "system" }.Select(f => Path.GetFullPath(scratch[f])),
            search.SearchPath
        );

        foreach (var folder in new[] { "system", "cache/data", "repository/data", "two", "one" })
        {
            Assert.NotEqual(scratch[$"{folder}/a/b.txt"], search.Find("a/b.txt"));
            scratch.Write($"{folder}/a/b.txt", 1);
            Assert.Equal(Path.GetFullPath(scratch[$"{folder}/a/b.txt"]), search.Find("a/b.txt"));
        }
        Assert.Equal(Path.GetFullPath(scratch["one/a"]), search.Find("a"));
        Assert.Equal(search.Find("a/b.txt"), search.Find("a\\b.txt"));
    }

    [Fact]
    public void AMissingFolderOfTheVariableIsWarnedOfAndOthersAreNot()
    {
        using var scratch = new ScratchFolder();
        scratch.Write("file", 1);
        var search = DataSearch.For(
            $"{scratch["missing"]}{Path.PathSeparator}{scratch["file"]}{Path.PathSeparator}{scratch.Path}",
            [],
            scratch["no-cache"],
            ["/nowhere/at/all"]
        );
        Assert.Equal(2, search.Warnings.Count);
        Assert.Contains(
            $"'{scratch["missing"]}' (named by BALANCED_DIFFUSION_DATA) does not exist",
            search.Warnings[0]
        );
        Assert.Contains($"'{scratch["file"]}' (named by BALANCED_DIFFUSION_DATA) is a file", search.Warnings[1]);
        Assert.Contains("Warning: The data folder", search.Describe());
        Assert.Contains("the user's cache, does not exist", search.Describe());
    }

    [Fact]
    public void WhatIsRequiredAndMissingIsToldWithEveryFolderAndTheWayToGetIt()
    {
        using var scratch = new ScratchFolder();
        var search = new DataSearch(scratch.Path, scratch["missing"]);
        var message = Assert.Throws<MissingDataException>(() => search.Require("a/b.bin")).Message;
        Assert.Contains("'a/b.bin'", message);
        Assert.Contains(scratch.Path, message);
        Assert.Contains($"{scratch["missing"]} (does not exist)", message);
        Assert.Contains("BALANCED_DIFFUSION_DATA", message);
        Assert.Contains(
            "build a bridge",
            Assert.Throws<MissingDataException>(() => search.Require("a/b.bin", "build a bridge")).Message
        );
        Assert.Contains(
            "'fashion-mnist/t10k-labels-idx1-ubyte.gz' of 'fashion-mnist' was not found",
            Assert.Throws<MissingDataException>(() => search.Require("fashion-mnist/t10k-labels-idx1-ubyte.gz")).Message
        );
        Assert.Equal(
            "fashion-mnist",
            Assert
                .Throws<MissingDataException>(() => search.Require("fashion-mnist/t10k-labels-idx1-ubyte.gz"))
                .EntryName
        );
        Assert.Null(Assert.Throws<MissingDataException>(() => search.Require("a/b.bin")).EntryName);
        Assert.Equal(scratch.Write("a/b.bin", 1), search.Require("a/b.bin"));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("/etc/passwd")]
    [InlineData("../x")]
    [InlineData("a/../../x")]
    [InlineData("a\\..\\x")]
    [InlineData("\\x")]
    [InlineData("C:/x")]
    public void APathThatLeavesTheDataFolderIsRefused(string path) =>
        Assert.Contains(
            $"'{path}'",
            Assert.Throws<ArgumentException>(() => new DataSearch(Path.GetTempPath()).Find(path)).Message
        );

    [Fact]
    public void AFileOfTheManifestMayLieUnpackedOrWithoutItsFolder()
    {
        using var scratch = new ScratchFolder();
        var search = new DataSearch(scratch.Path);
        var file = new DataFile("set/x.gz", null, null, []);
        Assert.Null(search.Find(file));
        foreach (var place in new[] { "x", "x.gz", "set/x", "set/x.gz" })
            Assert.Equal(scratch.Write(place, 1), search.Find(file));
    }

    [Fact]
    public void ThisMachinesSearchHoldsTheRepositoryAndTheCache()
    {
        Assert.Contains(DataFolders.SearchPath, folder => File.Exists(Path.Combine(folder, "manifest.json")));
        Assert.Contains(Path.Combine(UserFolders.Cache, "data"), DataFolders.SearchPath);
        Assert.Equal(Path.Combine(UserFolders.Cache, "data"), DataFolders.DownloadFolder);
        Assert.NotNull(DataFolders.Find("manifest.json"));
    }
}
