namespace BalancedDiffusion.Notebook.Tests;

// A clock that stands until it is moved.
internal sealed class HandClock : TimeProvider
{
    public double Seconds { get; set; }

    public override long TimestampFrequency => 1000;

    public override long GetTimestamp() => (long)(1000 * Seconds);
}
