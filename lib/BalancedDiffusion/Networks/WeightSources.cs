using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Networks;

/// <summary>Where the tensors of a network come from: a checkpoint, a draw, or nowhere, to learn their names and shapes
/// without the memory.</summary>
internal static class WeightSources
{
    /// <summary>The shape of every tensor that a network asks for while it is built, by name; no memory is taken for
    /// them.</summary>
    public static IReadOnlyDictionary<string, long[]> Shapes(Func<WeightSource, torch.nn.Module> build)
    {
        var shapes = new OrderedDictionary<string, long[]>();
        build(
                (name, shape) =>
                {
                    shapes.Add(name, shape);
                    return torch.empty(shape, device: torch.META);
                }
            )
            .Dispose();
        return shapes;
    }

    /// <summary>How many numbers a network asks for while it is built.</summary>
    public static long Count(Func<WeightSource, torch.nn.Module> build) =>
        Shapes(build).Values.Sum(shape => shape.Aggregate(1L, (product, n) => product * n));

    /// <summary>The tensors of a checkpoint, one after another in the type and on the device wanted; those that are so
    /// already are not copied.</summary>
    /// <exception cref="InvalidDataException">The message lists every missing, unexpected and mis-shaped tensor, and
    /// those that are not finite.</exception>
    public static WeightSource From(
        IReadOnlyDictionary<string, torch.Tensor> tensors,
        string what,
        Func<WeightSource, torch.nn.Module> build,
        torch.ScalarType type,
        torch.Device? device,
        params string[] ignored
    )
    {
        var faults = TensorNames.Faults(tensors, Shapes(build), ignored);
        if (faults.Count > 0)
            throw new InvalidDataException(
                $"the tensors are not those of {what} of these sizes: {string.Join("; ", faults)}"
            );
        return (name, _) =>
        {
            using var scope = torch.NewDisposeScope();
            return tensors[name].detach().to(device ?? torch.CPU).to_type(type).alias().MoveToOuterDisposeScope();
        };
    }

    /// <summary>Weights uniform in ±1/sqrt(inputs), tables of standard deviation 0.02, biases zero, scales of
    /// normalizations one. Each is drawn from a stream of its own on the CPU.</summary>
    public static WeightSource Drawn(long seed) =>
        (name, shape) =>
        {
            if (name.EndsWith(".bias", StringComparison.Ordinal))
                return torch.zeros(shape);
            if (shape.Length == 1)
                return torch.ones(shape);
            using var scope = torch.NewDisposeScope();
            using var generator = Seeds.Generator(Seeds.Derive(seed, name));
            if (name.Contains("embeddings.", StringComparison.Ordinal))
                return torch.randn(shape, generator: generator).mul_(0.02).alias().MoveToOuterDisposeScope();
            var bound = 1 / Math.Sqrt(shape.Skip(1).Aggregate(1L, (product, n) => product * n));
            return torch
                .rand(shape, generator: generator)
                .mul_(2 * bound)
                .sub_(bound)
                .alias()
                .MoveToOuterDisposeScope();
        };

    /// <summary>Memory for weights that are streamed into the finished network; what is in it until then is left to
    /// chance.</summary>
    public static WeightSource Unset(torch.ScalarType type, torch.Device device) =>
        (_, shape) => torch.empty(shape, dtype: type, device: device);

    /// <summary>A network of published weights owns its tensors beyond the dispose scope it was made in, and is not
    /// trained.</summary>
    public static void Keep(torch.nn.Module network)
    {
        foreach (var parameter in network.parameters())
        {
            parameter.requires_grad = false;
            parameter.DetachFromDisposeScope();
        }
    }
}
