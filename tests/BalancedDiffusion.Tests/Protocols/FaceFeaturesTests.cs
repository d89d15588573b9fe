using BalancedDiffusion.Datasets;
using BalancedDiffusion.Datasets.Faces;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Tests.Checkpoints;
using TorchSharp;

namespace BalancedDiffusion.Tests.Protocols;

public class FaceFeaturesTests
{
    [Fact]
    public void ItTrainsOnColourFacesAndGivesFeaturesThatItsReadingsAreLinearIn()
    {
        using var scope = torch.NewDisposeScope();
        var faces = new ParametricFaces(64, rgb: true);
        var options = AttributeRegressor.Recipe(60) with { Steps = 3, BatchSize = 4 };
        using var regressor = FaceFeatures.Fit(faces, 60, options);
        Assert.Subset(FaceFactors.Names.ToHashSet(), FaceFeatures.Factors.ToHashSet());
        Assert.Equal(FaceFeatures.Factors, regressor.Names);
        Assert.Equal([3, 64, 64], regressor.ImageShape);
        using var heldOut = faces.Test(40);
        var features = regressor.Features(heldOut.Images);
        Assert.Equal([40, AttributeRegressor.FeatureCount], features.shape);
        Assert.Equal(torch.float64, features.dtype);
        // The last layer by hand, in float32's accuracy.
        var weights = regressor.named_parameters().ToDictionary(p => p.name, p => p.parameter.to_type(torch.float64));
        var read = features.matmul(weights["net.11.weight"].t()) + weights["net.11.bias"];
        read = read * weights["scale"] + weights["mean"];
        Assert.True(torch.allclose(read, regressor.Read(heldOut.Images), 1e-4, 1e-4));
        // Alone as in a batch.
        Assert.True(torch.allclose(features[39], regressor.Features(heldOut.Images.narrow(0, 39, 1))[0], 1e-4, 1e-4));
        // The features differ from image to image.
        Assert.True(features.std(0).max().item<double>() > 1e-3);
        Assert.Contains(
            "images must have shape (any, 3, 64, 64)",
            Assert.Throws<ArgumentException>(() => regressor.Features(torch.zeros(1, 1, 64, 64))).Message
        );
        Assert.Throws<ArgumentOutOfRangeException>(() => FaceFeatures.Fit(faces, 1));
        Assert.Contains(
            "must be in colour",
            Assert.Throws<ArgumentException>(() => FaceFeatures.Fit(new ParametricFaces(64), 60, options)).Message
        );
        // Kept in half precision it reads nearly the same.
        using var folder = new TemporaryFolder();
        var file = folder.File("half.safetensors");
        regressor.Save(file, half: true);
        using var kept = AttributeRegressor.Load(file);
        Assert.True(torch.allclose(kept.Read(heldOut.Images), regressor.Read(heldOut.Images), 1e-2, 1e-2));
    }
}
