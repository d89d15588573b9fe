using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Tests.Runtime;

public class ComputeDeviceTests
{
    [Theory]
    [InlineData("cpu"), InlineData(" CPU ")]
    public void TheCpuIsTakenWhereItIsAskedFor(string wish)
    {
        var choice = ComputeDevice.Choose(wish);
        Assert.Equal(DeviceType.CPU, choice.Device.type);
        Assert.Equal("CPU, as asked.", choice.Reason);
    }

    [Fact]
    public void AutoTakesCudaExactlyWhereOneAnswersAndSaysWhy()
    {
        var choice = ComputeDevice.Choose();
        var hasCuda = TorchRuntime.HasCudaNatives && torch.cuda.is_available();
        Assert.Equal(hasCuda ? DeviceType.CUDA : DeviceType.CPU, choice.Device.type);
        Assert.Contains(
            hasCuda ? "answered"
                : TorchRuntime.HasCudaNatives ? "no CUDA device answered"
                : "built without CUDA (build it with -p:Cuda=true)",
            choice.Reason
        );
        using var there = torch.ones([2], device: choice.Device);
        Assert.Equal(2, there.sum().item<float>());
    }

    [Fact]
    public void CudaDemandedInVainSaysWhatToDo()
    {
        if (TorchRuntime.HasCudaNatives && torch.cuda.is_available())
            Assert.Equal(DeviceType.CUDA, ComputeDevice.Choose("cuda").Device.type);
        else
            Assert.Contains(
                "choose cpu, or auto",
                Assert.Throws<InvalidOperationException>(() => ComputeDevice.Choose("cuda")).Message
            );
    }

    [Theory]
    [InlineData("gpu"), InlineData(""), InlineData(null)]
    public void AnyOtherWishIsNamed(string? wish) =>
        Assert.Contains(
            $"device must be auto, cpu or cuda, was '{wish}'",
            Assert.Throws<ArgumentException>(() => ComputeDevice.Choose(wish!)).Message
        );
}
