using BalancedDiffusion.Notebook;

namespace Notebook.Tests;

public class LabFixtureTests
{
    [Fact]
    public void ATinyNetworkIsFoundAndAMissingOneNamed()
    {
        var path = Lab.Fixture("dit-tiny.safetensors");
        Assert.True(File.Exists(path));
        Assert.Equal(
            Path.Combine("tests", "fixtures", "dit-tiny.safetensors"),
            Path.GetRelativePath(Path.Combine(path, "..", "..", ".."), path)
        );
        Assert.StartsWith(
            "there is no tests/fixtures/dit-huge.safetensors in the repository",
            Assert.Throws<FileNotFoundException>(() => Lab.Fixture("dit-huge.safetensors")).Message
        );
        Assert.ThrowsAny<ArgumentException>(() => Lab.Fixture(" "));
    }
}
