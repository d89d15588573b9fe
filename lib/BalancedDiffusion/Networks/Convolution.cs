using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Networks;

/// <summary>Two-dimensional convolutions that are right on every processor, see
/// <see cref="ProcessorLimits"/>.</summary>
internal static class Convolution
{
    /// <summary>Convolves images.</summary>
    /// <param name="input">Images (batch, inputs, height, width).</param>
    /// <param name="weight">Weights (outputs, inputs, kernel, kernel).</param>
    /// <param name="bias">One number an output, or null.</param>
    /// <param name="stride">The step in both directions.</param>
    /// <param name="padding">The margin of zeros on all sides.</param>
    /// <returns>Images (batch, outputs, …).</returns>
    public static torch.Tensor Apply(
        torch.Tensor input,
        torch.Tensor weight,
        torch.Tensor? bias = null,
        long stride = 1,
        long padding = 0
    ) =>
        IsAffected(input, weight) && !IsRightAllTheSame(input, weight)
            ? OfPatches(input, weight, bias, stride, padding)
            : torch.nn.functional.conv2d(input, weight, bias, strides: [stride, stride], padding: [padding, padding]);

    /// <summary>Filters every channel alone.</summary>
    /// <param name="input">Images (batch, channels, height, width).</param>
    /// <param name="filter">The filter of all channels, (1, 1, kernel, kernel).</param>
    /// <param name="bias">One number a channel, or null.</param>
    /// <param name="stride">The step in both directions.</param>
    /// <param name="padding">The margin of zeros on all sides.</param>
    public static torch.Tensor PerChannel(
        torch.Tensor input,
        torch.Tensor filter,
        torch.Tensor? bias = null,
        long stride = 1,
        long padding = 0
    )
    {
        var channels = input.shape[1];
        if (!IsAffected(input, filter))
            return torch.nn.functional.conv2d(
                input,
                Expanded(filter, channels),
                bias,
                strides: [stride, stride],
                padding: [padding, padding],
                groups: channels
            );
        using var scope = torch.NewDisposeScope();
        var alone = input.reshape(-1, 1, input.shape[2], input.shape[3]);
        var filtered = OfPatches(alone, filter, null, stride, padding);
        filtered = filtered.reshape(input.shape[0], channels, filtered.shape[2], filtered.shape[3]);
        return (bias is null ? filtered : filtered + bias.view(1, -1, 1, 1)).MoveToOuterDisposeScope();
    }

    /// <summary>The transpose of <see cref="PerChannel"/>: spreads every pixel of a channel over the filter.</summary>
    /// <param name="input">Images (batch, channels, height, width).</param>
    /// <param name="filter">The filter of all channels, (1, 1, kernel, kernel).</param>
    /// <param name="stride">The step in both directions.</param>
    /// <param name="padding">The margin that is cut off on all sides.</param>
    public static torch.Tensor TransposedPerChannel(torch.Tensor input, torch.Tensor filter, long stride, long padding)
    {
        var (channels, kernel) = (input.shape[1], filter.shape[^1]);
        if (!IsAffected(input, filter))
            return torch.nn.functional.conv_transpose2d(
                input,
                Expanded(filter, channels),
                strides: [stride, stride],
                padding: [padding, padding],
                groups: channels
            );
        using var scope = torch.NewDisposeScope();
        long Side(long side) => (side - 1) * stride - 2 * padding + kernel;
        var (height, width) = (Side(input.shape[2]), Side(input.shape[3]));
        var spread = filter.reshape(1, -1, 1) * input.reshape(-1, 1, input.shape[2] * input.shape[3]);
        return torch
            .nn.functional.fold(
                spread,
                (height, width),
                (kernel, kernel),
                padding: (padding, padding),
                stride: (stride, stride)
            )
            .reshape(input.shape[0], channels, height, width)
            .MoveToOuterDisposeScope();
    }

    // Kernels of one pixel, float64 and other devices are right everywhere.
    private static bool IsAffected(torch.Tensor input, torch.Tensor weight) =>
        ProcessorLimits.ConvolutionsAreWrong
        && weight.shape[^1] > 1
        && input.device_type == DeviceType.CPU
        && input.dtype != torch.ScalarType.Float64;

    // Right on an affected processor too (15,000 shapes were compared with float64): float32 outputs without gradients
    // where the channels that are summed are few or fill whole vectors.
    private static bool IsRightAllTheSame(torch.Tensor input, torch.Tensor weight) =>
        input.dtype == torch.ScalarType.Float32
        && !NeedsGradient(input, weight)
        && (weight.shape[1] <= 8 || weight.shape[1] % 16 == 0);

    private static bool NeedsGradient(torch.Tensor input, torch.Tensor weight) =>
        torch.is_grad_enabled() && (input.requires_grad || weight.requires_grad);

    // A product of the weights with the patch around every pixel.
    private static torch.Tensor OfPatches(
        torch.Tensor input,
        torch.Tensor weight,
        torch.Tensor? bias,
        long stride,
        long padding
    )
    {
        using var scope = torch.NewDisposeScope();
        var kernel = weight.shape[^1];
        long Side(long side) => (side + 2 * padding - kernel) / stride + 1;
        var patches = torch.nn.functional.unfold(
            input,
            (kernel, kernel),
            padding: (padding, padding),
            stride: (stride, stride)
        );
        var rows = weight.reshape(weight.shape[0], -1);
        var output = torch
            .matmul(rows, patches)
            .reshape(input.shape[0], weight.shape[0], Side(input.shape[2]), Side(input.shape[3]));
        return (bias is null ? output : output + bias.view(1, -1, 1, 1)).MoveToOuterDisposeScope();
    }

    private static torch.Tensor Expanded(torch.Tensor filter, long channels) =>
        filter.expand(channels, 1, -1, -1).contiguous();
}
