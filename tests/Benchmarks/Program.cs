using BalancedDiffusion.Benchmarks;
using BalancedDiffusion.Runtime;
using BenchmarkDotNet.Running;
using TorchSharp;

if (KernelMemory.RunAsKernelsDo(args) is { } exitCode)
    return exitCode;
TorchRuntime.EnsureLoaded();
var threads =
    $"libtorch computes with torch.get_num_threads() = {torch.get_num_threads()} on "
    + $"{Environment.ProcessorCount} cores; set another number by OMP_NUM_THREADS.";
Console.WriteLine(threads);
(Type Run, Action<string> Into)[] longRuns =
[
    (typeof(Goals), Goals.Run),
    (typeof(Scaling), Scaling.Run),
    (typeof(TimeToSolution), TimeToSolution.Run),
    (typeof(StableDiffusionForward), StableDiffusionForward.Run),
];
var summaries = RunFilter.AsksForNothingElse(args, [.. longRuns.Select(r => r.Run)])
    ? []
    : BenchmarkSwitcher.FromAssembly(typeof(BenchmarkConfig).Assembly).Run(args, new BenchmarkConfig()).ToList();
foreach (var (run, into) in longRuns)
    if (RunFilter.IsAsked(args, run))
        into(BenchmarkConfig.Folder);

// Once more, where the table is read.
Console.WriteLine(threads);
return summaries.Any(s => s.HasCriticalValidationErrors || s.Reports.Any(r => !r.Success)) ? 1 : 0;
