using TorchSharp;

namespace BalancedDiffusion.Runtime;

/// <summary>A device to compute on, and the reason why it was chosen.</summary>
/// <param name="Device">The torch device.</param>
/// <param name="Reason">One sentence for the reader.</param>
public sealed record ComputeDevice(torch.Device Device, string Reason)
{
    /// <summary>Chooses a device.</summary>
    /// <param name="wish"><c>auto</c> (CUDA when its natives were built in and a device answers, else the CPU), <c>cpu</c> or <c>cuda</c>.</param>
    /// <exception cref="ArgumentException">The wish is none of the three.</exception>
    /// <exception cref="InvalidOperationException">CUDA was demanded and is not to be had; the message says what is missing.</exception>
    public static ComputeDevice Choose(string wish = "auto")
    {
        TorchRuntime.EnsureLoaded();
        switch (wish?.Trim().ToLowerInvariant())
        {
            case "cpu":
                return new(torch.CPU, "CPU, as asked.");
            case "auto" or "cuda":
                var obstacle = CudaObstacle();
                if (obstacle is null) return new(torch.CUDA, $"CUDA: {torch.cuda.device_count()} device(s) answered.");
                if (wish.Trim().Equals("cuda", StringComparison.OrdinalIgnoreCase))
                    throw new InvalidOperationException($"CUDA was asked for, but {obstacle}; use --device cpu, or auto to fall back by itself.");
                return new(torch.CPU, $"CPU: {obstacle}.");
            default:
                throw new ArgumentException($"device must be auto, cpu or cuda, was '{wish}'", nameof(wish));
        }
    }

    private static string? CudaObstacle()
    {
        if (!TorchRuntime.HasCudaNatives) return "the library was built without CUDA (build it with -p:Cuda=true)";
        try
        {
            // Without this first call is_available() can be false inside the notebook kernel although a device is there.
            torch.InitializeDeviceType(DeviceType.CUDA);
            return torch.cuda.is_available() ? null : "no CUDA device answered";
        }
        catch (Exception e)
        {
            return $"no CUDA device answered ({e.Message.Split('\n')[0]})";
        }
    }
}
