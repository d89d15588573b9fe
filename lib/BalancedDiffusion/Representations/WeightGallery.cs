using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Representations;

/// <summary>The columns of a ReLU-DAE as the paper shows them: sorted by norm, each beside the training image it points
/// at.</summary>
public static class WeightGallery
{
    /// <summary>Every column of W1, the one of largest norm first (the lower unit first among equals).</summary>
    /// <param name="model">The model.</param>
    /// <param name="images">Training images, (n, d) or (n, channels, height, width).</param>
    /// <exception cref="ArgumentException">As for <see cref="ColumnCosines.Largest"/>.</exception>
    public static IReadOnlyList<WeightColumn> Of(ReluDae model, torch.Tensor images)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var (cosines, indices) = ColumnCosines.Largest(model.Encoder, images);
        var norms = model.Encoder.to_type(torch.float64).norm(1).cpu().data<double>().ToArray();
        var cosine = cosines.cpu().data<double>().ToArray();
        var index = indices.cpu().data<long>().ToArray();
        return Enumerable
            .Range(0, norms.Length)
            .OrderByDescending(j => norms[j])
            .Select(j => new WeightColumn(j, norms[j], cosine[j], (int)index[j]))
            .ToArray();
    }
}
