using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>
/// Reads what <c>torch.save</c> wrote (the zip format of PyTorch 1.6 and later) without running the pickle inside:
/// anything that is not plain tensors, numbers, texts, lists and dictionaries is refused with one sentence.
/// </summary>
public static class PthCheckpoint
{
    /// <summary>
    /// Reads every tensor of a state dict. Nested dictionaries and lists are joined by dots
    /// (<c>model.encoder.0.weight</c>); numbers, texts and other non-tensors are left out. Views of a shared storage
    /// and transposed views come back as contiguous tensors of their own.
    /// </summary>
    /// <param name="path">The <c>.pth</c> or <c>.pt</c> file.</param>
    /// <returns>CPU tensors by name, in the file's order, in the types they were saved in (f16, bf16, f32, f64, i8 to
    /// i64, u8, bool).</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged, cut off, in another format, or asks to run
    /// code.</exception>
    public static NamedTensors Read(string path)
    {
        using var scope = torch.NewDisposeScope();
        using var file = new PthFile(path);
        var result = new OrderedDictionary<string, torch.Tensor>(file.Headers.Count);
        foreach (var header in file.Headers)
            result.Add(header.Name, torch.empty([.. header.Shape], dtype: header.Type));
        file.Each(_ => true, (name, view) => result[name].copy_(view));
        foreach (var tensor in result.Values)
            tensor.MoveToOuterDisposeScope();
        return new NamedTensors(result);
    }
}
