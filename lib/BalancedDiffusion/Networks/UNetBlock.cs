using TorchSharp;

namespace BalancedDiffusion.Networks;

/// <summary>
/// A residual block: <c>y = (skip(x) + conv1(drop(silu(norm1(conv0(silu(norm0(x))) + affine(e)))))) / √2</c>, and
/// where it attends <c>(y + proj(attention(qkv(norm2(y))))) / √2</c>, one head over all positions. It changes nothing
/// in place, so that what a hook saw stays as it was.
/// </summary>
internal sealed class UNetBlock : torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor>
{
    private readonly UNetGroupNorm norm0,
        norm1;
    private readonly UNetSilu silu0,
        silu1;
    private readonly UNetConvolution conv0,
        conv1;
    private readonly UNetLinear affine;
    private readonly UNetConvolution? skip,
        qkv,
        proj;
    private readonly UNetGroupNorm? norm2;
    private readonly double dropout;

    public UNetBlock(
        WeightSource weights,
        string name,
        SongUNetOptions options,
        long inputs,
        long outputs,
        UNetResampling resampling,
        bool attends
    )
        : base(nameof(UNetBlock))
    {
        dropout = options.Dropout;
        var filterSide = options.ResampleFilter.Count;
        norm0 = new UNetGroupNorm(weights, $"{name}.norm0", inputs);
        silu0 = new UNetSilu();
        conv0 = new UNetConvolution(weights, $"{name}.conv0", inputs, outputs, 3, resampling, filterSide);
        affine = new UNetLinear(weights, $"{name}.affine", options.EmbeddingWidth, outputs);
        norm1 = new UNetGroupNorm(weights, $"{name}.norm1", outputs);
        silu1 = new UNetSilu();
        conv1 = new UNetConvolution(weights, $"{name}.conv1", outputs, outputs, 3);
        if (inputs != outputs || resampling != UNetResampling.None)
            skip = new UNetConvolution(weights, $"{name}.skip", inputs, outputs, 1, resampling, filterSide);
        if (attends)
        {
            norm2 = new UNetGroupNorm(weights, $"{name}.norm2", outputs);
            qkv = new UNetConvolution(weights, $"{name}.qkv", outputs, 3 * outputs, 1);
            proj = new UNetConvolution(weights, $"{name}.proj", outputs, outputs, 1);
        }
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor input, torch.Tensor embedding)
    {
        using var scope = torch.NewDisposeScope();
        var half = Math.Sqrt(0.5);
        var shift = affine.call(embedding).unsqueeze(-1).unsqueeze(-1);
        var hidden = silu1.call(norm1.call(conv0.call(silu0.call(norm0.call(input))) + shift));
        if (training && dropout > 0)
            hidden = torch.nn.functional.dropout(hidden, dropout, training: true);
        var output = (conv1.call(hidden) + (skip is null ? input : skip.call(input))) * half;
        if (qkv is not null)
            output = (output + proj!.call(Attend(qkv.call(norm2!.call(output))))) * half;
        return output.MoveToOuterDisposeScope();
    }

    // Channel c of query, key and value lie side by side: 3c, 3c + 1, 3c + 2.
    private static torch.Tensor Attend(torch.Tensor mixed)
    {
        long batch = mixed.shape[0],
            channels = mixed.shape[1] / 3,
            height = mixed.shape[2],
            width = mixed.shape[3];
        var parts = mixed.reshape(batch, 1, channels, 3, height * width).transpose(2, 4).unbind(3);
        var attended = torch.nn.functional.scaled_dot_product_attention(parts[0], parts[1], parts[2]);
        return attended.transpose(2, 3).contiguous().view(batch, channels, height, width);
    }
}
