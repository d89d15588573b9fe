using TorchSharp;

namespace BalancedDiffusion.Runtime;

/// <summary>A device to compute on, and the reason why it was chosen.</summary>
/// <param name="Device">The torch device.</param>
/// <param name="Reason">One sentence for the reader.</param>
public sealed record ComputeDevice(torch.Device Device, string Reason)
{
    /// <summary>Set to 1, it lets a GPU multiply in TF32: several times as fast, with 10 bits of mantissa instead of
    /// 23.</summary>
    public const string Tf32Variable = "BALANCED_DIFFUSION_TF32";

    /// <summary>How this device multiplies float32 matrices, one phrase. Full precision is the default everywhere, so
    /// that a claim means the same on every device.</summary>
    public string Precision =>
        Device.type == DeviceType.CUDA && torch.backends.cuda.matmul.allow_tf32
            ? $"TF32, 10 bits of mantissa ({Tf32Variable}=1)"
            : "full float32";

    /// <summary>Chooses a device.</summary>
    /// <param name="wish"><c>auto</c> (CUDA when its natives were built in and a device answers, else the CPU),
    /// <c>cpu</c> or <c>cuda</c>.</param>
    /// <exception cref="ArgumentException">The wish is none of the three.</exception>
    /// <exception cref="InvalidOperationException">CUDA was demanded and is not to be had; the message says what is
    /// missing.</exception>
    public static ComputeDevice Choose(string wish = "auto")
    {
        TorchRuntime.EnsureLoaded();
        switch (wish?.Trim().ToLowerInvariant())
        {
            case "cpu":
                return new(torch.CPU, "CPU, as asked.");
            case "auto" or "cuda":
                var obstacle = CudaObstacle();
                if (obstacle is null)
                {
                    // libtorch's own default is full precision in products but TF32 in convolutions.
                    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 =
                        Environment.GetEnvironmentVariable(Tf32Variable) == "1";
                    return new(torch.CUDA, $"CUDA: {torch.cuda.device_count()} device(s) answered.");
                }
                if (wish.Trim().Equals("cuda", StringComparison.OrdinalIgnoreCase))
                    throw new InvalidOperationException(
                        $"CUDA was asked for, but {obstacle}; choose cpu, or auto to fall back by itself."
                    );
                return new(torch.CPU, $"CPU: {obstacle}.");
            default:
                throw new ArgumentException($"device must be auto, cpu or cuda, was '{wish}'", nameof(wish));
        }
    }

    private static string? CudaObstacle()
    {
        if (!TorchRuntime.HasCudaNatives)
            return "the library was built without CUDA (build it with -p:Cuda=true)";
        try
        {
            // Without this first call is_available() can be false inside the notebook kernel although a device is
            // there.
            torch.InitializeDeviceType(DeviceType.CUDA);
            return torch.cuda.is_available() ? null : "no CUDA device answered";
        }
        catch (Exception e)
        {
            return $"no CUDA device answered ({e.Message.Split('\n')[0]})";
        }
    }
}
