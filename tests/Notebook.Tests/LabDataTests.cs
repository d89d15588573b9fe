using BalancedDiffusion.Datasets;

namespace BalancedDiffusion.Notebook.Tests;

public class LabDataTests
{
    [Fact]
    public void WhatIsMissingIsToldWithTheManifestsWayToGetIt()
    {
        var entry = DataManifest.Load().Entries.FirstOrDefault(e => DataFolders.Find(e.Files[0].Path) is null);
        Assert.SkipWhen(entry is null, "every data set of the manifest is on this machine");
        var path = entry!.Files[0].Path;
        // The library names what is missing; the notebook adds what to do.
        var bare = Assert.Throws<MissingDataException>(() => DataFolders.Require(path));
        Assert.DoesNotContain(entry.HowToGet, bare.Message);
        var failure = Assert.Throws<MissingDataException>(() => Lab.Require(path));
        Assert.Equal($"{bare.Message.TrimEnd('.')}; to get it: {entry.HowToGet}.", failure.Message);
        Assert.Equal(entry.Name, failure.EntryName);
        // What the manifest does not list has no advice.
        Assert.EndsWith(
            $"name its folder in {DataSearch.Variable}.",
            Assert.Throws<MissingDataException>(() => Lab.Require("nowhere/at-all.bin")).Message
        );
    }
}
