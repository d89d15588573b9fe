using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Networks;

/// <summary>Two-dimensional convolutions that are right on every processor, see
/// <see cref="ProcessorLimits"/>.</summary>
internal static class Convolution
{
    // The numbers of a vector of AVX-512.
    private const long Vector = 16;

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
    )
    {
        if (!IsAffected(input, weight))
            return Direct(input, weight, bias, stride, padding);
        if (input.dtype != torch.ScalarType.Float32)
            return OfPatches(input, weight, bias, stride, padding);
        var (outputs, inputs) = (weight.shape[0], weight.shape[1]);
        var (moreInputs, moreOutputs) = Missing(inputs, outputs, NeedsGradient(input, weight));
        if (moreInputs == 0 && moreOutputs == 0)
            return Direct(input, weight, bias, stride, padding);
        // Channels of zeros with weights of zero fill the last vectors.
        using var scope = torch.NewDisposeScope();
        var wide = moreInputs == 0 ? input : torch.nn.functional.pad(input, [0, 0, 0, 0, 0, moreInputs]);
        var wideWeight = torch.nn.functional.pad(weight, [0, 0, 0, 0, 0, moreInputs, 0, moreOutputs]);
        var wideBias = bias is null ? null : torch.nn.functional.pad(bias, [0, moreOutputs]);
        var result = Direct(wide, wideWeight, wideBias, stride, padding);
        if (moreOutputs > 0)
            result = result.narrow(1, 0, outputs).contiguous();
        return result.MoveToOuterDisposeScope();
    }

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
        var filtered = IsMean(filter, stride, padding)
            ? torch.nn.functional.avg_pool2d(alone, filter.shape[^1]) * filter.sum()
            : OfPatches(alone, filter, null, stride, padding);
        filtered = filtered.reshape(input.shape[0], channels, filtered.shape[2], filtered.shape[3]);
        return (bias is null ? filtered : filtered + bias.view(1, -1, 1, 1)).MoveToOuterDisposeScope();
    }

    /// <summary>The transpose of <see cref="PerChannel"/>: spreads every pixel of a channel over the
    /// filter.</summary>
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
        if (kernel == stride && padding == 0)
            // Nothing overlaps: every pixel becomes a square of its own.
            return (input.unsqueeze(3).unsqueeze(5) * filter.reshape(1, 1, 1, kernel, 1, kernel))
                .reshape(input.shape[0], channels, input.shape[2] * stride, input.shape[3] * stride)
                .MoveToOuterDisposeScope();
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

    // How many channels fill the vectors that an affected processor is right with, in float32 (20,000 shapes were
    // compared with float64): outputs alone need few channels to sum over or whole vectors of them; gradients one
    // vector or pairs of them, and whole vectors of outputs.
    private static (long Inputs, long Outputs) Missing(long inputs, long outputs, bool needsGradient)
    {
        static long UpTo(long count, long multiple) => (multiple - count % multiple) % multiple;
        if (needsGradient)
            return (UpTo(inputs, inputs <= Vector ? Vector : 2 * Vector), UpTo(outputs, Vector));
        return (inputs <= Vector / 2 ? 0 : UpTo(inputs, Vector), 0);
    }

    // Whether a filter takes the mean of squares that lie side by side, up to a factor.
    private static bool IsMean(torch.Tensor filter, long stride, long padding)
    {
        if (stride != filter.shape[^1] || padding != 0 || filter.requires_grad)
            return false;
        using var scope = torch.NewDisposeScope();
        return filter.max().eq(filter.min()).item<bool>();
    }

    private static bool NeedsGradient(torch.Tensor input, torch.Tensor weight) =>
        torch.is_grad_enabled() && (input.requires_grad || weight.requires_grad);

    private static torch.Tensor Direct(
        torch.Tensor input,
        torch.Tensor weight,
        torch.Tensor? bias,
        long stride,
        long padding
    ) => torch.nn.functional.conv2d(input, weight, bias, strides: [stride, stride], padding: [padding, padding]);

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
