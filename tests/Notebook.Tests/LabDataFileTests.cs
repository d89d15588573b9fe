namespace BalancedDiffusion.Notebook.Tests;

public class LabDataFileTests
{
    [Fact]
    public void ATinyNetworkIsFoundAndAMissingOneNamed()
    {
        var path = Lab.DataFile("tiny/dit-tiny.safetensors");
        Assert.True(File.Exists(path));
        Assert.Equal(
            Path.Combine("data", "tiny", "dit-tiny.safetensors"),
            Path.GetRelativePath(Path.Combine(path, "..", "..", ".."), path)
        );
        Assert.StartsWith(
            "there is no data/tiny/dit-huge.safetensors in the repository",
            Assert.Throws<FileNotFoundException>(() => Lab.DataFile("tiny/dit-huge.safetensors")).Message
        );
        Assert.ThrowsAny<ArgumentException>(() => Lab.DataFile(" "));
    }
}
