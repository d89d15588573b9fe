using System.Text.Json;
using BalancedDiffusion.Checkpoints;
using TorchSharp;

namespace BalancedDiffusion.Tests.Checkpoints;

/// <summary>A network that is nothing but its named tensors, and files of weights for it.</summary>
internal sealed class TensorModule : torch.nn.Module
{
    public TensorModule(params (string Name, long[] Shape, torch.ScalarType Type)[] tensors)
        : base(nameof(TensorModule))
    {
        foreach (var (name, shape, type) in tensors)
            if (type is torch.ScalarType.Int64)
                register_buffer(name, torch.zeros(shape, dtype: type));
            else
                register_parameter(
                    name,
                    new TorchSharp.Modules.Parameter(torch.full(shape, 7, dtype: type), requires_grad: false)
                );
    }

    public torch.Tensor this[string name] => state_dict()[name];

    /// <summary>Whether every tensor is as it was made.</summary>
    public bool IsUntouched => state_dict().Values.All(t => t.eq(t.is_floating_point() ? 7 : 0).all().item<bool>());
}

internal static class WeightFixtures
{
    public static string Write(TemporaryFolder folder, string name, params (string Name, torch.Tensor Tensor)[] tensors)
    {
        Safetensors.Write(folder.File(name), tensors.Select(t => KeyValuePair.Create(t.Name, t.Tensor)));
        return folder.File(name);
    }

    public static string Index(TemporaryFolder folder, string name, params (string Tensor, string File)[] map)
    {
        File.WriteAllText(
            folder.File(name),
            JsonSerializer.Serialize(
                new { metadata = new { total_size = 1 }, weight_map = map.ToDictionary(m => m.Tensor, m => m.File) }
            )
        );
        return folder.File(name);
    }
}
