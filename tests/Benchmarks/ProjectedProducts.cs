using BalancedDiffusion.Noise;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Benchmarks;

/// <summary>The matrix products of a projected step with one noise a sample and nothing else, into tensors that are
/// there: the floor of such a step.</summary>
public sealed class ProjectedProducts : IDisposable
{
    private readonly OwnedTensors owned = new();
    private readonly torch.Tensor rows,
        weightsT,
        factors,
        factorsT,
        gradient,
        normals,
        normalsT,
        noise,
        hidden,
        hiddenT,
        reconstructed,
        square,
        root;

    /// <summary>Products of these shapes.</summary>
    public ProjectedProducts(long batch, long dimension, long units)
    {
        torch.Tensor Own(torch.Tensor tensor) => owned.Add(tensor);
        rows = Own(GaussianNoise.Draw([units + batch, dimension], 1));
        weightsT = Own(rows.narrow(0, 0, units).t());
        factors = Own(torch.zeros(units + batch, units));
        factorsT = Own(factors.t());
        gradient = Own(torch.zeros(units, dimension));
        normals = Own(GaussianNoise.Draw([batch, units], 2));
        normalsT = Own(normals.t());
        noise = Own(torch.zeros(batch, units));
        hidden = Own(GaussianNoise.Draw([batch, units], 3));
        hiddenT = Own(hidden.t());
        reconstructed = Own(torch.zeros(batch, units));
        square = Own(torch.zeros(units, units));
        root = Own(GaussianNoise.Draw([units, units], 4));
    }

    /// <summary>The products of so many steps.</summary>
    public void Run(int steps)
    {
        using var noGrad = torch.no_grad();
        for (var i = 0; i < steps; i++)
        {
            factors.addmm_(rows, weightsT, beta: 0, alpha: 1);
            noise.addmm_(normals, root, beta: 0, alpha: 1);
            reconstructed.addmm_(hidden, root, beta: 0, alpha: 1);
            square.addmm_(hiddenT, hidden, beta: 0, alpha: 1);
            square.addmm_(normalsT, noise, beta: 0, alpha: 1);
            square.addmm_(root, root, beta: 0, alpha: 1);
            gradient.addmm_(factorsT, rows, beta: 0, alpha: 1);
        }
    }

    /// <summary>Frees them.</summary>
    public void Dispose() => owned.Dispose();
}
