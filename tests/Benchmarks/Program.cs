using BalancedDiffusion.Benchmarks;
using BalancedDiffusion.Runtime;
using BenchmarkDotNet.Running;
using TorchSharp;

TorchRuntime.EnsureLoaded();
var threads = $"libtorch computes with torch.get_num_threads() = {torch.get_num_threads()} on {Environment.ProcessorCount} cores; set another number by OMP_NUM_THREADS.";
Console.WriteLine(threads);
var summaries = BenchmarkSwitcher.FromAssembly(typeof(BenchmarkConfig).Assembly).Run(args, new BenchmarkConfig()).ToList();
// Once more, where the table is read.
if (summaries.Count > 0) Console.WriteLine(threads);
return summaries.Any(s => s.HasCriticalValidationErrors || s.Reports.Any(r => !r.Success)) ? 1 : 0;
