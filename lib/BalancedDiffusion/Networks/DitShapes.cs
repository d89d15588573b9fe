namespace BalancedDiffusion.Networks;

/// <summary>Every tensor of a DiT by its published name: the one place that knows their shapes.</summary>
internal static class DitShapes
{
    /// <summary>The length of the sinusoids that a timestep is turned into.</summary>
    public const long Frequencies = 256;

    public static IReadOnlyList<KeyValuePair<string, long[]>> Of(DitOptions o)
    {
        o.Check();
        var shapes = new List<KeyValuePair<string, long[]>>();
        var h = o.HiddenSize;
        void Add(string name, params long[] shape) => shapes.Add(new(name, shape));
        void Linear(string name, long output, long input)
        {
            Add($"{name}.weight", output, input);
            Add($"{name}.bias", output);
        }
        Add("pos_embed", 1, o.Tokens, h);
        Add("x_embedder.proj.weight", h, o.Channels, o.PatchSize, o.PatchSize);
        Add("x_embedder.proj.bias", h);
        Linear("t_embedder.mlp.0", h, Frequencies);
        Linear("t_embedder.mlp.2", h, h);
        if (o.Classes > 0)
            Add("y_embedder.embedding_table.weight", o.HasEmptyLabel ? o.Classes + 1 : o.Classes, h);
        for (var i = 0; i < o.Depth; i++)
        {
            Linear($"blocks.{i}.attn.qkv", 3 * h, h);
            Linear($"blocks.{i}.attn.proj", h, h);
            Linear($"blocks.{i}.mlp.fc1", o.MlpSize, h);
            Linear($"blocks.{i}.mlp.fc2", h, o.MlpSize);
            Linear($"blocks.{i}.adaLN_modulation.1", 6 * h, h);
        }
        Linear("final_layer.linear", o.PatchSize * o.PatchSize * o.OutputChannels, h);
        Linear("final_layer.adaLN_modulation.1", 2 * h, h);
        return shapes;
    }
}
