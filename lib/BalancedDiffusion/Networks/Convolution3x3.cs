using TorchSharp;
using TorchSharp.Modules;

namespace BalancedDiffusion.Networks;

/// <summary>A convolution by kernels of 3×3 pixels with a margin of zeros, whose weights start at zero.</summary>
internal sealed class Convolution3x3 : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly Parameter weight,
        bias;
    private readonly int stride;

    /// <summary>Makes the layer.</summary>
    /// <param name="inputs">Channels that come in.</param>
    /// <param name="outputs">Channels that go out.</param>
    /// <param name="stride">The step in both directions.</param>
    public Convolution3x3(long inputs, long outputs, int stride = 1)
        : base(nameof(Convolution3x3))
    {
        this.stride = stride;
        weight = new Parameter(torch.zeros(outputs, inputs, 3, 3));
        bias = new Parameter(torch.zeros(outputs));
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor input) =>
        Convolution.Apply(input, weight, bias, stride, padding: 1);
}
