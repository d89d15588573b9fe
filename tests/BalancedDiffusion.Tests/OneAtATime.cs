// TorchSharp hands the native side bare handles of temporaries (a scalar in '2.0 * x', say) and lets the collector free
// them once their last managed use is past. A collection that another test's thread starts in that very moment frees
// one too early, about once in some thousand tests. One test at a time has no other thread to start it.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
