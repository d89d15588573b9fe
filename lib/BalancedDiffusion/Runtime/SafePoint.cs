using System.Collections.Concurrent;

namespace BalancedDiffusion.Runtime;

/// <summary>
/// A moment between two calls of torch on the thread that computes. The library's long loops pass one in each round:
/// there they stop when the host asks for it, and there work is done that must not run beside a call of torch, such as
/// a garbage collection, which could free a number that libtorch is reading.
/// </summary>
public static class SafePoint
{
    private static readonly ConcurrentQueue<Action> Waiting = new();
    private static volatile Func<CancellationToken>? source;

    /// <summary>Tells which token stops the loops of the calling flow, e.g. that of the notebook cell that runs; null
    /// where nothing but their own parameters stops them, which is the default. It is asked in each round of a loop, so
    /// it must be quick.</summary>
    public static Func<CancellationToken>? Source
    {
        get => source;
        set => source = value;
    }

    /// <summary>The token that stops the loops of the calling flow; <see cref="CancellationToken.None"/> where there is
    /// none.</summary>
    public static CancellationToken Token => source?.Invoke() ?? CancellationToken.None;

    /// <summary>Asks for work to be done once, at the next safe point that any thread passes. Work must not wait for
    /// another thread that computes.</summary>
    /// <param name="work">What to do.</param>
    public static void Ask(Action work)
    {
        ArgumentNullException.ThrowIfNull(work);
        Waiting.Enqueue(work);
    }

    /// <summary>Does what was asked for, on this thread. To be called where no call of torch is under way on
    /// it.</summary>
    public static void Serve()
    {
        // The usual case costs one look.
        while (!Waiting.IsEmpty && Waiting.TryDequeue(out var work))
            work();
    }

    /// <summary>Does what was asked for, and stops where the host asks for it.</summary>
    /// <exception cref="OperationCanceledException">The calling flow is to stop.</exception>
    public static void Pass()
    {
        Serve();
        Token.ThrowIfCancellationRequested();
    }
}
