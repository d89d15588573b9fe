using System.IO.Hashing;
using System.Text;
using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Steering;

/// <summary>A short text that tells a network from any other, its twin of another training included: its type, how many
/// weights it has, and a checksum over their names, shapes and bits.</summary>
public static class ModelFingerprint
{
    /// <summary>The fingerprint of a network as its weights stand now.</summary>
    /// <param name="model">The network, on any device.</param>
    /// <returns>E.g. <c>EdmPreconditioner with 499,041 weights, checksum 1f3a90c2</c>.</returns>
    public static string Of(torch.nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var (checksum, count) = (new Crc32(), 0L);
        foreach (
            var (name, weight) in model
                .named_parameters()
                .Select(p => (p.name, Value: (torch.Tensor)p.parameter))
                .Concat(model.named_buffers().Select(b => (b.name, Value: b.buffer)))
                .OrderBy(w => w.name, StringComparer.Ordinal)
        )
        {
            using var step = torch.NewDisposeScope();
            checksum.Append(Encoding.UTF8.GetBytes($"{name} {weight.dtype} {Listing.Shape(weight.shape)}"));
            TensorBytes.Show(weight.detach().cpu().contiguous().flatten(), checksum.Append);
            count += weight.NumberOfElements;
        }
        return FormattableString.Invariant(
            $"{model.GetType().Name} with {count:N0} weights, checksum {checksum.GetCurrentHashAsUInt32():x8}"
        );
    }
}
