namespace BalancedDiffusion.Notebook.Tests;

public class LabParametersTests
{
    private static LabParameters Read(params (string Name, string Value)[] variables) =>
        LabParameters.Read(name =>
            variables.Where(v => v.Name == "BALANCED_DIFFUSION_" + name[19..]).Select(v => v.Value).FirstOrDefault()
        );

    [Fact]
    public void NothingSetMeansTheQuickProfileOfDrawnFaces() =>
        Assert.Equal(new LabParameters(LabProfile.Quick, "faces", "auto", 0, null), Read());

    [Fact]
    public void EverySettingIsRead()
    {
        var read = Read(
            ("BALANCED_DIFFUSION_PROFILE", " Full "),
            ("BALANCED_DIFFUSION_IMAGES", "fashion-mnist"),
            ("BALANCED_DIFFUSION_DEVICE", "CPU"),
            ("BALANCED_DIFFUSION_SEED", "17")
        );
        Assert.Equal(new LabParameters(LabProfile.Full, "fashion-mnist", "cpu", 17, null), read);
    }

    [Theory]
    [InlineData("BALANCED_DIFFUSION_PROFILE", "fast", "quick or full")]
    [InlineData("BALANCED_DIFFUSION_IMAGES", "cats", "faces, fashion-mnist or celeba")]
    [InlineData("BALANCED_DIFFUSION_DEVICE", "tpu", "auto, cpu or cuda")]
    [InlineData("BALANCED_DIFFUSION_SEED", "-1", "whole number")]
    [InlineData("BALANCED_DIFFUSION_SEED", "1.5", "whole number")]
    [InlineData("BALANCED_DIFFUSION_CLAIMS", "some/folder/", "must name a file")]
    public void ABadValueIsNamedWithThoseAllowed(string variable, string value, string allowed)
    {
        var message = Assert.Throws<ArgumentException>(() => Read((variable, value))).Message;
        Assert.Contains(variable, message);
        Assert.Contains($"'{value}'", message);
        Assert.Contains(allowed, message);
    }
}
