using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch.nn;

namespace BalancedDiffusion.Benchmarks;

/// <summary>
/// The plain loop as the authors write it, on the same libtorch: noise, two layers, the mean squared error,
/// <c>backward</c>, an optimizer of torch. "Tied" means two parameters over one storage, which the optimizer updates
/// one after the other.
/// </summary>
public sealed class AuthorsLoop : IDisposable
{
    private const int Units = 100;
    private readonly torch.Tensor data;
    private readonly long batch;
    private readonly Linear encoder,
        decoder;
    private readonly torch.optim.Optimizer optimizer;

    /// <summary>Makes the network and its optimizer.</summary>
    /// <param name="data">Clean samples, (n, d), float32; the caller keeps them.</param>
    /// <param name="batch">Samples a step, drawn with replacement; 0 for all of them, in order.</param>
    /// <param name="optimizer">Makes the optimizer of these parameters.</param>
    public AuthorsLoop(torch.Tensor data, long batch, Func<IEnumerable<Parameter>, torch.optim.Optimizer> optimizer)
    {
        (this.data, this.batch) = (data, batch);
        encoder = Linear(data.shape[1], Units, hasBias: false);
        decoder = Linear(Units, data.shape[1], hasBias: false);
        decoder.weight = new Parameter(encoder.weight.detach().t());
        this.optimizer = optimizer([encoder.weight, decoder.weight]);
    }

    /// <summary>Trains.</summary>
    /// <param name="steps">How many steps.</param>
    public void Train(int steps)
    {
        for (var i = 0; i < steps; i++)
        {
            using var scope = torch.NewDisposeScope();
            var clean = batch == 0 ? data : data[torch.randint(0, data.shape[0], batch)];
            var noisy = clean + 0.2 * torch.randn_like(clean);
            var loss = functional.mse_loss(decoder.call(functional.relu(encoder.call(noisy))), clean);
            optimizer.zero_grad();
            loss.backward();
            optimizer.step();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        optimizer.Dispose();
        encoder.Dispose();
        decoder.Dispose();
    }
}
