using System.Runtime.InteropServices;
using BalancedDiffusion.Runtime;
using Microsoft.DotNet.Interactive;
using Microsoft.DotNet.Interactive.Commands;

namespace BalancedDiffusion.Notebook;

/// <summary>Ties the library's loops to the cell that runs: they stop when the cell is stopped, and what waits for a
/// safe point is done at the latest when the cell ends.</summary>
internal static class CellSafety
{
    private static Kernel? watched;
    private static PosixSignalRegistration? interrupt;

    /// <summary>Begins, in the kernel that runs the current cell; does nothing outside a notebook, and nothing more the
    /// second time.</summary>
    public static void Begin()
    {
        if (KernelInvocationContext.Current is not { HandlingKernel: { } kernel } || kernel == watched)
            return;
        watched = kernel;
        SafePoint.Source = () => KernelInvocationContext.Current?.CancellationToken ?? CancellationToken.None;
        kernel.AddMiddleware(
            async (command, context, next) =>
            {
                await next(command, context);
                SafePoint.Serve();
            }
        );
        // Jupyter's stop is this signal, which would end the kernel and all that it holds.
        interrupt ??= PosixSignalRegistration.Create(
            PosixSignal.SIGINT,
            signal =>
            {
                signal.Cancel = true;
                _ = watched?.RootKernel.SendAsync(new Cancel(watched.Name));
            }
        );
    }
}
