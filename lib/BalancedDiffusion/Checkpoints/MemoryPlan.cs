using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>What loading a model takes, told from the headers of its files before any number is read, beside what the
/// device has free.</summary>
/// <param name="Parts">The bytes that the weights of each part take on the device, by the part's name.</param>
/// <param name="WorkingBytes">What computing takes besides the weights, as the caller knows it; zero or more.</param>
/// <param name="FreeBytes">What the device has free, or null where that is not known.</param>
/// <param name="Place">Where that is, e.g. <c>on the CPU</c>.</param>
public sealed record MemoryPlan(
    IReadOnlyList<KeyValuePair<string, long>> Parts,
    long WorkingBytes,
    long? FreeBytes,
    string Place
)
{
    /// <summary>Plans the loading of parts onto a device.</summary>
    /// <param name="device">The device.</param>
    /// <param name="type">The floating-point type of the networks.</param>
    /// <param name="parts">The files of each part by its name; see <see cref="DiffusersPart.Weights"/>.</param>
    /// <param name="workingBytes">What computing takes besides the weights, zero or more.</param>
    public static MemoryPlan For(
        ComputeDevice device,
        torch.ScalarType type,
        IEnumerable<KeyValuePair<string, WeightFiles>> parts,
        long workingBytes = 0
    )
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(parts);
        Guard.AtLeast(workingBytes, 0);
        var onGpu = device.Device.type == DeviceType.CUDA;
        var bytes = parts.Select(p => KeyValuePair.Create(p.Key, p.Value.Tensors.Sum(t => Bytes(t, type)))).ToList();
        return new MemoryPlan(
            bytes,
            workingBytes,
            onGpu ? CudaMemory.Free(device.Device) : MemorySize.Free(),
            onGpu ? "on the GPU" : "on the CPU"
        );
    }

    /// <summary>The bytes that are needed in all.</summary>
    public long NeededBytes => Parts.Sum(p => p.Value) + WorkingBytes;

    /// <summary>Whether they are free; true where it is not known what is.</summary>
    public bool Fits => FreeBytes is not { } free || NeededBytes <= free;

    /// <summary>Tells the plan, and refuses to go on where it does not fit.</summary>
    /// <param name="say">Told the plan in one line before anything is loaded, or null.</param>
    /// <param name="evenWhereItDoesNotFit">Whether to go on all the same.</param>
    /// <exception cref="InvalidOperationException">It does not fit; the sentence says what to do.</exception>
    public void Require(Action<string>? say = null, bool evenWhereItDoesNotFit = false)
    {
        say?.Invoke(ToString());
        if (!Fits && !evenWhereItDoesNotFit)
            throw new InvalidOperationException(
                $"the model {Summary()}; close other programs, load it in float16 on a GPU, or say "
                    + "evenWhereItDoesNotFit to try all the same"
            );
    }

    /// <summary>One line, e.g. <c>needs 3.4 GB (unet 3.4 GB), 9.8 GB free on the CPU</c>.</summary>
    public override string ToString() => Summary();

    private string Summary()
    {
        var parts = Parts
            .Append(KeyValuePair.Create("computing", WorkingBytes))
            .Where(p => p.Value > 0)
            .Select(p => $"{p.Key} {MemorySize.Format(p.Value)}")
            .ToList();
        return $"needs {MemorySize.Format(NeededBytes)}{(parts.Count > 1 ? $" ({string.Join(", ", parts)})" : "")}, "
            + $"{(FreeBytes is null ? "what is free is not known" : $"{MemorySize.Format(FreeBytes)} free")} {Place}";
    }

    private static long Bytes(TensorHeader tensor, torch.ScalarType type) =>
        tensor.Elements * TensorBytes.Size(WeightFiles.IsFloating(tensor.Type) ? type : tensor.Type);
}
