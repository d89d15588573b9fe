using BalancedDiffusion.Noise;
using BalancedDiffusion.Representations;
using MathNet.Numerics.LinearAlgebra;
using TorchSharp;

namespace BalancedDiffusion.Tests.Representations;

public class PrincipalComponentsTests
{
    /// <summary>Representations that vary most along a few directions of their own, none of them an axis.</summary>
    private static torch.Tensor Representations(
        int count,
        int units,
        long seed = 1,
        torch.ScalarType type = torch.ScalarType.Float64
    )
    {
        using var scope = torch.NewDisposeScope();
        var mixed = GaussianNoise.Draw([count, units], seed, type) * torch.linspace(3, 0.2, units, dtype: type);
        return (mixed.matmul(GaussianNoise.Draw([units, units], seed + 1, type)) + 5).MoveToOuterDisposeScope();
    }

    private static Matrix<double> Matrix(torch.Tensor tensor)
    {
        var values = tensor.to_type(torch.float64).contiguous().data<double>().ToArray();
        return Matrix<double>.Build.Dense(
            (int)tensor.shape[0],
            (int)tensor.shape[1],
            (i, j) => values[i * (int)tensor.shape[1] + j]
        );
    }

    [Theory]
    [InlineData(40, 7, 7)]
    [InlineData(9, 30, 8)]
    [InlineData(3, 2, 1)]
    public void ComponentsAndVariancesAreThoseOfTheSingularValueDecompositionOfMathNet(int count, int units, int wanted)
    {
        using var scope = torch.NewDisposeScope();
        using var representations = Representations(count, units);
        var found = PrincipalComponents.Of(representations, wanted);
        var h = Matrix(representations);
        var mean = h.ColumnSums() / count;
        var svd = Matrix<double>.Build.Dense(count, units, (i, j) => h[i, j] - mean[j]).Svd();
        Assert.Equal((wanted, units), (found.Count, found.Units));
        for (var j = 0; j < units; j++)
            Assert.Equal(mean[j], found.Mean[j], 1e-10);
        for (var k = 0; k < wanted; k++)
        {
            Assert.Equal(svd.S[k] * svd.S[k] / count, found.Variances[k], 1e-8 * svd.S[0] * svd.S[0]);
            var row = svd.VT.Row(k);
            Assert.Equal(1, Math.Abs(row.DotProduct(Vector<double>.Build.Dense([.. found[k]]))), 1e-8);
            Assert.True(found[k].MaxBy(Math.Abs) > 0);
        }
        Assert.Equal(svd.S.PointwisePower(2).Sum() / count, found.TotalVariance, 1e-6);
    }

    [Fact]
    public void WhatIsKeptIsTheNearestCodeInTheSpanAndWhatIsLeftIsOrthogonalToIt()
    {
        using var scope = torch.NewDisposeScope();
        using var representations = Representations(30, 6);
        var plane = PrincipalComponents.Of(representations, 2);
        var (kept, coordinates) = (plane.Keep(representations), plane.Project(representations));
        Assert.True((kept - plane.Restore(coordinates)).abs().max().item<double>() < 1e-12);
        Assert.True(
            plane.Project(representations - kept + torch.tensor(plane.Mean.ToArray())).abs().max().item<double>()
                < 1e-10
        );
        Assert.True((plane.Keep(kept) - kept).abs().max().item<double>() < 1e-10);
        // Left is the variance of the directions left out.
        Assert.Equal(
            plane.TotalVariance - plane.Variances.Sum(),
            (representations - kept).square().sum(1).mean().item<double>(),
            1e-8
        );
        Assert.Equal(plane.Variances.Sum() / plane.TotalVariance, plane.Explained, 1e-12);
        for (var trial = 0; trial < 20; trial++)
        {
            var other = plane.Restore(
                coordinates + 0.3 * GaussianNoise.Draw(coordinates.shape, 50 + trial, torch.ScalarType.Float64)
            );
            Assert.True(((representations - other).norm(1) >= (representations - kept).norm(1)).all().item<bool>());
        }
    }

    [Fact]
    public void ProjectingKeepsTypeAndAllComponentsGiveTheCodeBack()
    {
        using var scope = torch.NewDisposeScope();
        using var representations = Representations(20, 4, type: torch.ScalarType.Float32);
        var all = PrincipalComponents.Of(representations, 4);
        Assert.Equal(torch.float32, all.Project(representations).dtype);
        Assert.True((all.Keep(representations) - representations).abs().max().item<float>() < 1e-4);
        Assert.Equal(1, all.Explained, 1e-12);
    }

    [Fact]
    public void BadInputIsNamed()
    {
        using var scope = torch.NewDisposeScope();
        Assert.StartsWith(
            "count must be at most 2, since the representations vary in so many directions only, was 3",
            Assert.Throws<ArgumentException>(() => PrincipalComponents.Of(Representations(3, 5), 3)).Message
        );
        Assert.StartsWith(
            "count must be at most 0",
            Assert.Throws<ArgumentException>(() => PrincipalComponents.Of(torch.ones(4, 3), 1)).Message
        );
        Assert.StartsWith(
            "the number of representations must be at least 2, was 1",
            Assert.Throws<ArgumentOutOfRangeException>(() => PrincipalComponents.Of(Representations(1, 3), 1)).Message
        );
        Assert.StartsWith(
            "count must be at least 1, was 0",
            Assert.Throws<ArgumentOutOfRangeException>(() => PrincipalComponents.Of(Representations(4, 3), 0)).Message
        );
        Assert.Contains(
            "NaN or infinity",
            Assert
                .Throws<ArgumentException>(() => PrincipalComponents.Of(Representations(4, 3) * double.NaN, 1))
                .Message
        );
        var plane = PrincipalComponents.Of(Representations(9, 3), 2);
        Assert.StartsWith(
            "representations must have shape (any, 3), was (2, 4)",
            Assert.Throws<ArgumentException>(() => plane.Project(torch.zeros(2, 4))).Message
        );
        Assert.StartsWith(
            "coordinates must have shape (any, 2), was (2, 3)",
            Assert.Throws<ArgumentException>(() => plane.Restore(torch.zeros(2, 3))).Message
        );
        Assert.StartsWith(
            "representations must hold floating-point numbers, was Int64",
            Assert.Throws<ArgumentException>(() => plane.Project(torch.zeros(2, 3, dtype: torch.int64))).Message
        );
        Assert.StartsWith(
            "components are numbered from 0 to 1, was 2",
            Assert.Throws<ArgumentOutOfRangeException>(() => plane[2]).Message
        );
    }
}
