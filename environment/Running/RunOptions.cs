namespace BalancedDiffusion.Reproduce.Running;

/// <summary>What a run was asked for.</summary>
/// <param name="Profile"><c>quick</c> or <c>full</c>.</param>
/// <param name="Data"><c>faces</c>, <c>fashion-mnist</c> or <c>celeba</c>.</param>
/// <param name="Device"><c>auto</c>, <c>cpu</c> or <c>cuda</c>.</param>
/// <param name="Seed">The seed every notebook starts from, or null for the notebooks' own.</param>
/// <param name="Out">The folder results go to, absolute.</param>
/// <param name="Timeout">The longest a notebook may take, kernel start included.</param>
public sealed record RunOptions(string Profile, string Data, string Device, long? Seed, string Out, TimeSpan Timeout)
{
    /// <summary>Names the timings of earlier runs that tell how long this one takes.</summary>
    public string TimingKey => $"{Profile} {Data} {Device}";
}
