using System.Globalization;
using TorchSharp;

namespace BalancedDiffusion.Notebook;

/// <summary>What a tensor holds, in one line: shape, type, device, range, mean, and a histogram drawn in eight
/// heights.</summary>
public static class TensorSummary
{
    private const string Heights = "▁▂▃▄▅▆▇█";

    /// <summary>The line.</summary>
    /// <param name="tensor">Any tensor that has not been disposed.</param>
    public static string Of(torch.Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        var head =
            $"tensor ({string.Join(", ", tensor.shape)}) {tensor.dtype.ToString().ToLowerInvariant()} on "
            + $"{tensor.device.type.ToString().ToLowerInvariant()}";
        if (tensor.numel() == 0)
            return head + ", empty";
        if (tensor.is_complex() || tensor.is_sparse)
            return head;
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var values = tensor.detach().to(torch.float64).cpu().flatten();
        var finite = values.masked_select(torch.isfinite(values));
        var lost = values.numel() - finite.numel();
        if (finite.numel() == 0)
            return $"{head}, all {lost} values NaN or infinite";
        var (low, mean, high) = (
            finite.min().item<double>(),
            finite.mean().item<double>(),
            finite.max().item<double>()
        );
        var line = $"{head}, min {Format(low)}, mean {Format(mean)}, max {Format(high)}";
        if (high > low)
            line += "  " + Sparkline(finite.data<double>().ToArray(), low, high);
        return lost > 0 ? $"{line}, {lost} values NaN or infinite" : line;
    }

    /// <summary>The numbers of a tensor of at most two dimensions, row by row; null where it has more dimensions or
    /// more than 64 elements.</summary>
    internal static IReadOnlyList<IReadOnlyList<string>>? Rows(torch.Tensor tensor)
    {
        if (
            tensor.dim() > 2
            || tensor.numel() is > 64 or 0
            || tensor.is_complex()
            || tensor.is_sparse
            || tensor.shape.Any(n => n > 16)
        )
            return null;
        using var scope = torch.NewDisposeScope();
        var numbers = tensor.detach().to(torch.float64).cpu().contiguous().data<double>().ToArray();
        var columns = tensor.dim() == 0 ? 1 : (int)tensor.shape[^1];
        return [.. numbers.Chunk(columns).Select(row => (IReadOnlyList<string>)[.. row.Select(Format)])];
    }

    internal static string Format(double value) => Claims.Number(value);

    private static string Sparkline(double[] values, double low, double high)
    {
        var counts = new int[12];
        foreach (var value in values)
            counts[Math.Clamp((int)((value - low) / (high - low) * counts.Length), 0, counts.Length - 1)]++;
        var most = counts.Max();
        return string.Concat(
            counts.Select(count =>
                Heights[(int)Math.Round((double)count / most * (Heights.Length - 1), MidpointRounding.AwayFromZero)]
            )
        );
    }

    internal static string Format(object? value) =>
        value switch
        {
            null => "",
            double number => Format(number),
            float number => Format((double)number),
            IFormattable thing => thing.ToString(null, CultureInfo.InvariantCulture),
            _ => value.ToString() ?? "",
        };
}
