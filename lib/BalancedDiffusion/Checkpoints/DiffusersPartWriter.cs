using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>Writes one network of a diffusers folder: <c>config.json</c> and weights in half precision.</summary>
internal static class DiffusersPartWriter
{
    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Writes both files, the weights first.</summary>
    /// <param name="network">The network; its state dict has the published names.</param>
    /// <param name="folder">The folder, made where it lacks.</param>
    /// <param name="file">The name of the safetensors file.</param>
    /// <param name="className">What diffusers or transformers call the network.</param>
    /// <param name="config">Its config.</param>
    /// <param name="provenance">Text by key beside the weights, or null.</param>
    /// <exception cref="ArgumentException">A weight is not finite in half precision.</exception>
    public static void Write(
        torch.nn.Module network,
        string folder,
        string file,
        string className,
        JsonObject config,
        IReadOnlyDictionary<string, string>? provenance
    )
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var halves = new Dictionary<string, torch.Tensor>();
        foreach (var (name, tensor) in network.state_dict())
        {
            halves[name] = tensor.detach().cpu().to_type(torch.float16).contiguous();
            if (!Guard.AllFinite(halves[name]))
                throw new ArgumentException(
                    $"the weight '{name}' is not finite in half precision; train the network anew",
                    nameof(network)
                );
        }
        Safetensors.Write(
            Path.Combine(folder, file),
            halves,
            new Dictionary<string, string>(provenance ?? new Dictionary<string, string>()) { ["format"] = "pt" }
        );
        var text = new JsonObject { ["_class_name"] = className };
        foreach (var (key, value) in config)
            text[key] = value?.DeepClone();
        WriteJson(Path.Combine(folder, "config.json"), text);
    }

    /// <summary>Writes a JSON file, whole or not at all.</summary>
    public static void WriteJson(string path, JsonObject value)
    {
        using var config = new AtomicFile(path);
        File.WriteAllText(config.Temporary, value.ToJsonString(Indented) + "\n");
        config.Commit();
    }
}
