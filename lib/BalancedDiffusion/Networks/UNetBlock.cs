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
        long inputs,
        long outputs,
        long embedding,
        double dropout,
        torch.ScalarType dtype,
        UNetResampling resampling,
        IReadOnlyList<double> filter,
        bool attends
    )
        : base(nameof(UNetBlock))
    {
        this.dropout = dropout;
        norm0 = new UNetGroupNorm(inputs, dtype);
        silu0 = new UNetSilu();
        conv0 = new UNetConvolution(inputs, outputs, 3, dtype, resampling, filter);
        affine = new UNetLinear(embedding, outputs, dtype);
        norm1 = new UNetGroupNorm(outputs, dtype);
        silu1 = new UNetSilu();
        conv1 = new UNetConvolution(outputs, outputs, 3, dtype);
        if (inputs != outputs || resampling != UNetResampling.None)
            skip = new UNetConvolution(inputs, outputs, 1, dtype, resampling, filter);
        if (attends)
        {
            norm2 = new UNetGroupNorm(outputs, dtype);
            qkv = new UNetConvolution(outputs, 3 * outputs, 1, dtype);
            proj = new UNetConvolution(outputs, outputs, 1, dtype);
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
