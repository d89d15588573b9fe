using System.Diagnostics;
using System.Globalization;

namespace BalancedDiffusion.Benchmarks;

/// <summary>The script <c>training_step.py</c> in a process of its own, which trains as many steps as it is told;
/// starting Python and warming up are over before the first.</summary>
public sealed class PythonLoop : IDisposable
{
    private static readonly Lazy<string?> Found = new(Find);
    private readonly Process process;
    private readonly int threads;
    private readonly List<double> rates = [];

    /// <summary>Starts the script.</summary>
    /// <param name="threads">The threads that PyTorch and its BLAS compute with, ≥ 1.</param>
    /// <exception cref="InvalidOperationException">There is no Python with PyTorch, or the script ended.</exception>
    public PythonLoop(int threads)
    {
        this.threads = threads;
        var count = threads.ToString(CultureInfo.InvariantCulture);
        var start = new ProcessStartInfo(
            Interpreter
                ?? throw new InvalidOperationException(
                    "there is no Python with PyTorch; apt-get install python3-torch"
                ),
            [Path.Combine(AppContext.BaseDirectory, "training_step.py"), count]
        )
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            Environment = { ["OMP_NUM_THREADS"] = count, ["OPENBLAS_NUM_THREADS"] = count },
        };
        process = Process.Start(start)!;
        if (!Answer().EndsWith("True", StringComparison.Ordinal))
            Console.WriteLine(
                "PyTorch for Python multiplies matrices by another library than OpenBLAS here, which may be "
                    + "many times slower: apt-get install libopenblas0-pthread."
            );
    }

    /// <summary>The Python that has PyTorch, or null; then one sentence says what to install.</summary>
    public static string? Interpreter => Found.Value;

    /// <summary>Trains.</summary>
    /// <param name="steps">How many steps, ≥ 1.</param>
    /// <exception cref="InvalidOperationException">The script ended.</exception>
    public void Train(int steps)
    {
        process.StandardInput.WriteLine(steps.ToString(CultureInfo.InvariantCulture));
        rates.Add(double.Parse(Answer(), CultureInfo.InvariantCulture));
    }

    /// <summary>Ends the script and tells the steps a second that it counted.</summary>
    public void Dispose()
    {
        process.StandardInput.Close();
        process.WaitForExit();
        process.Dispose();
        if (rates.Count > 0)
            Console.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The Python loop with {threads} threads counted {rates.Min():F0} to {rates.Max():F0} "
                        + $"steps a second."
                )
            );
    }

    private string Answer() =>
        process.StandardOutput.ReadLine()
        ?? throw new InvalidOperationException("training_step.py ended before its time; run it alone to see why");

    private static string? Find()
    {
        foreach (var name in new[] { "python3", "/usr/bin/python3" })
        {
            try
            {
                using var probe = Process.Start(
                    new ProcessStartInfo(
                        name,
                        ["-c", "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"]
                    )
                )!;
                probe.WaitForExit();
                if (probe.ExitCode == 0)
                    return name;
            }
            catch (System.ComponentModel.Win32Exception)
            {
                // There is no such program.
            }
        }
        Console.WriteLine(
            "The rows of Python are left out, because there is no Python with PyTorch: apt-get install "
                + "python3-torch libopenblas0-pthread."
        );
        return null;
    }
}
