using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Representations;
using TorchSharp;

namespace BalancedDiffusion.Tests.Representations;

public class SpikinessTests
{
    private static double[] Of(Func<torch.Tensor, torch.Tensor> measure, float[,] h)
    {
        using var scope = torch.NewDisposeScope();
        return measure(torch.tensor(h)).data<double>().ToArray();
    }

    [Fact]
    public void KnownRepresentationsHaveKnownSpikiness()
    {
        float[,] h =
        {
            { 3, 0, 0, 0 },
            { 2, 2, 2, 2 },
            { 1, 1, 0, 0 },
            { 0, 0, 0, 0 },
            { 1e20f, 1e20f, 0, 0 },
            { 1e-20f, 0, 0, 0 },
        };
        bool Close(double a, double b) => Math.Abs(a - b) <= 1e-6 * Math.Max(1e-30, Math.Abs(a)) + 1e-30;
        Assert.Equal(
            [Math.Sqrt(9 / 4.0 - 9 / 16.0), 0, 0.5, 0, 5e19, Math.Sqrt(3) / 4 * 1e-20],
            Of(Spikiness.StandardDeviation, h),
            Close
        );
        Assert.Equal(
            [1, Math.Pow(4, -0.25), Math.Pow(2, -0.25), 0, Math.Pow(2, -0.25), 1],
            Of(Spikiness.L4OverL2, h),
            Close
        );
        Assert.Equal([1, 4, 2, 0, 2, 1], Of(Spikiness.ParticipationRatio, h), Close);
        Assert.Equal([1, 0.25, 0.5, 0, 0.5, 1], Of(Spikiness.LargestShare, h), Close);
    }

    [Fact]
    public void BadInputIsNamed()
    {
        using var scope = torch.NewDisposeScope();
        string Message(torch.Tensor h) =>
            Assert.Throws<ArgumentException>(() => Spikiness.StandardDeviation(h)).Message;
        Assert.StartsWith("representation must have shape (any, any), was (3)", Message(torch.ones(3)));
        Assert.StartsWith("representation holds NaN", Message(torch.full([1, 2], float.NaN)));
        Assert.StartsWith("representation must have at least one unit", Message(torch.ones(2, 0)));
        Assert.StartsWith("representation must hold floating-point", Message(torch.ones([2, 2], torch.int64)));
    }

    [Fact]
    public void CosinesAreSignedUncentredAndNameTheirImage()
    {
        using var scope = torch.NewDisposeScope();
        var columns = torch.tensor(
            new[,]
            {
                { 2f, 0 },
                { 0, -1 },
                { 0, 0 },
                { 1, 1 },
            }
        );
        var images = torch.tensor(
            new[,]
            {
                { 0f, 0 },
                { -5, 0 },
                { 0, 3 },
                { 1, 1 },
            }
        );
        var (cosines, indices) = ColumnCosines.Largest(columns, images);
        Assert.Equal([Math.Sqrt(0.5), 0, 0, 1], cosines.data<double>().ToArray(), (a, b) => Math.Abs(a - b) < 1e-12);
        Assert.Equal([3L, 1, -1, 3], indices.data<long>().ToArray());
        Assert.StartsWith(
            "every image is all zero",
            Assert.Throws<ArgumentException>(() => ColumnCosines.Largest(columns, torch.zeros(2, 2))).Message
        );
        Assert.StartsWith(
            "images have 3 numbers each, columns 2",
            Assert.Throws<ArgumentException>(() => ColumnCosines.Largest(columns, torch.ones(2, 3))).Message
        );
    }

    [Fact]
    public void PsnrIsThatOfTheMeanSquaredError()
    {
        using var scope = torch.NewDisposeScope();
        var clean = torch.zeros(2, 4);
        var estimate = torch.tensor(
            new[,]
            {
                { 0.2f, -0.2f, 0.2f, 0.2f },
                { 0, 0, 0, 0 },
            }
        );
        Assert.Equal(
            [20 * Math.Log10(1 / 0.2), double.PositiveInfinity],
            Psnr.Of(estimate, clean, 1).data<double>().ToArray(),
            (a, b) => a == b || Math.Abs(a - b) < 1e-5
        );
        Assert.Equal(20.0, Psnr.Of(estimate, clean)[0].item<double>(), 1e-5); // span 2 against an error of 0.2
        Assert.StartsWith(
            "peak must be positive",
            Assert.ThrowsAny<ArgumentException>(() => Psnr.Of(estimate, clean, 0)).Message
        );
    }
}
