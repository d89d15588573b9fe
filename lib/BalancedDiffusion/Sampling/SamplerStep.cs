using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>What a sampler sees of one step. It changes <see cref="X"/> in place: fresh tensors of a batch's size cost
/// more than the arithmetic.</summary>
internal sealed class SamplerStep
{
    private readonly IDenoiser denoiser;
    private readonly SamplingOptions options;
    private readonly IReadOnlyList<double> sigmas;
    private readonly long seed;
    private torch.Tensor? noise,
        keptX,
        keptMemory;
    private bool keptRemembers;
    private int index;
    private bool recordEstimate;

    public SamplerStep(IDenoiser denoiser, SamplingOptions options, IReadOnlyList<double> sigmas, torch.Tensor x)
    {
        (this.denoiser, this.options, this.sigmas, X) = (denoiser, options, sigmas, x);
        seed = Seeds.Derive(options.Seed, "step");
    }

    /// <summary>The batch, (batch, SampleShape…).</summary>
    public torch.Tensor X { get; }

    /// <summary>The level of X before the step.</summary>
    public double Sigma => sigmas[index];

    /// <summary>The level that the step ends at.</summary>
    public double Next => sigmas[index + 1];

    /// <summary>The level before <see cref="Sigma"/>, or null in the first step.</summary>
    public double? Before => index > 0 ? sigmas[index - 1] : null;

    /// <summary>The number of steps.</summary>
    public int Count => sigmas.Count - 1;

    /// <summary>What the sampler remembers from the step before, or null.</summary>
    public torch.Tensor? Memory { get; private set; }

    /// <summary>Whether what the denoiser gives is looked at in every step.</summary>
    public bool IsChecking { get; set; }

    /// <summary>The step that <see cref="GoBack"/> goes back to.</summary>
    public int Kept { get; private set; }

    /// <summary>Keeps what the steps from this one on begin with.</summary>
    public void Keep(int step)
    {
        Kept = step;
        keptX ??= torch.empty_like(X);
        keptX.copy_(X);
        keptRemembers = Memory is not null;
        if (Memory is null)
            return;
        keptMemory ??= torch.empty_like(X);
        keptMemory.copy_(Memory);
    }

    /// <summary>Makes everything as it was at <see cref="Keep"/>.</summary>
    public void GoBack()
    {
        X.copy_(keptX!);
        if (keptRemembers)
            Memory!.copy_(keptMemory!);
    }

    public void Begin(int step)
    {
        index = step;
        recordEstimate = options.Record?.Wants(step) ?? false;
        if (recordEstimate)
            options.Record!.AddPoint(X);
    }

    /// <summary>Copies numbers of the shape of X for the next step.</summary>
    public void Remember(torch.Tensor value)
    {
        Memory ??= torch.empty_like(X).MoveToOuterDisposeScope();
        Memory.copy_(value);
    }

    /// <summary>Fresh standard normal noise of the shape, type and place of X, valid until the next call; the same for
    /// every sampler with this seed, sample and step.</summary>
    public torch.Tensor Noise()
    {
        var onGpu = X.device_type == DeviceType.CUDA;
        noise ??= (
            onGpu ? torch.empty(X.shape, dtype: torch.float32).pin_memory() : torch.empty(X.shape, dtype: torch.float32)
        ).MoveToOuterDisposeScope();
        GaussianNoise.FillEach(noise, seed, options.FirstIndex, index);
        return X.dtype == torch.float32 && X.device_type == DeviceType.CPU
            ? noise
            : noise.to(X.device).to_type(X.dtype);
    }

    /// <summary>The clean samples as the denoiser estimates them, of the right shape; that they are finite is seen at
    /// the latest when the loop looks at X.</summary>
    public torch.Tensor Estimate(torch.Tensor x, double sigma)
    {
        string At() => $"at step {index + 1} of {Count} (sigma = {sigma})";
        torch.Tensor clean;
        try
        {
            clean = denoiser.DenoiseAt(x, sigma);
        }
        catch (ArgumentException) when (!Guard.AllFinite(x))
        {
            throw new InvalidOperationException($"the samples are not finite {At()}; take smaller steps");
        }
        if (!clean.shape.SequenceEqual(x.shape))
            throw new InvalidOperationException(
                $"the denoiser returned shape ({string.Join(", ", clean.shape)}) for "
                    + $"({string.Join(", ", x.shape)}) {At()}"
            );
        if (IsChecking && !Guard.AllFinite(clean))
            throw new InvalidOperationException(
                $"the denoiser returned NaN or infinity {At()}; check its weights and that it was trained at "
                    + "this noise level"
            );
        if (recordEstimate)
            options.Record!.AddEstimate(clean);
        recordEstimate = false;
        return clean;
    }
}
