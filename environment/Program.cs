using System.Runtime.InteropServices;
using BalancedDiffusion.Reproduce;
using BalancedDiffusion.Reproduce.Runner.Kernel;
using Spectre.Console;

Console.OutputEncoding = System.Text.Encoding.UTF8;
using var interrupted = new CancellationTokenSource();
void Stop(PosixSignalContext context)
{
    // The first time, stop in good order: end the kernels and keep what there is. The second time (also where 'dotnet
    // run' passes on what was sent to both), the system's own way, which leaves no kernel behind either.
    if (interrupted.IsCancellationRequested)
    {
        KernelProcess.KillAll();
        return;
    }
    context.Cancel = true;
    interrupted.Cancel();
}

using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);
return await CommandLine.RunAsync(args, AnsiConsole.Console, Environment.CurrentDirectory, interrupted.Token);
