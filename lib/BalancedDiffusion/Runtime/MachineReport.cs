using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using TorchSharp;

namespace BalancedDiffusion.Runtime;

/// <summary>
/// What a result was computed with: versions, machine, device and data. Fit to be published beside a result: no value
/// holds a path or the name of the user or of the machine.
/// </summary>
/// <param name="Rows">Name and value of each fact, in reading order.</param>
public sealed partial record MachineReport(IReadOnlyList<(string Name, string Value)> Rows)
{
    /// <summary>Looks at this machine.</summary>
    /// <param name="device">The device in use, or null for the one that <c>auto</c> chooses.</param>
    /// <param name="data">The data sets that were found, one text each, or null to say nothing of data.</param>
    public static MachineReport Create(ComputeDevice? device = null, IReadOnlyList<string>? data = null)
    {
        TorchRuntime.EnsureLoaded();
        device ??= ComputeDevice.Choose();
        List<(string Name, string Value)> rows =
        [
            ("BalancedDiffusion", Version(typeof(MachineReport).Assembly)),
            (".NET", RuntimeInformation.FrameworkDescription),
            ("TorchSharp", Version(typeof(torch).Assembly)),
            ("libtorch", torch.__version__),
            ("Operating system", $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}"),
            ("Processor", Processor()),
            ("Cores", FormattableString.Invariant($"{Environment.ProcessorCount}")),
            (
                "Memory",
                FormattableString.Invariant(
                    $"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (double)(1 << 30):F1} GiB"
                )
            ),
            ("torch threads", FormattableString.Invariant($"{torch.get_num_threads()}")),
            ("Device", device.Device.ToString()),
            ("Why this device", device.Reason),
            ("Matrix products", device.Precision),
            .. device.Device.type == DeviceType.CUDA
                ? [("To the device", "training data once, before the first step; samplers' noise from pinned memory")]
                : Array.Empty<(string, string)>(),
        ];
        rows.AddRange(TorchRuntime.Log.Select(line => ("libtorch was loaded", line)));
        if (data is not null)
            rows.Add(("Data", data.Count == 0 ? "none found" : string.Join(", ", data)));
        return new MachineReport([
            .. rows.Select(r => (r.Name, WithoutNames(r.Value, Environment.UserName, Environment.MachineName))),
        ]);
    }

    /// <summary>The first value of this name.</summary>
    /// <exception cref="KeyNotFoundException">There is no such row.</exception>
    public string this[string name] =>
        Rows.FirstOrDefault(r => r.Name == name) is { Name: not null } row
            ? row.Value
            : throw new KeyNotFoundException(
                $"the report has no row '{name}'; it has {string.Join(", ", Rows.Select(r => r.Name).Distinct())}"
            );

    /// <summary>One line a fact.</summary>
    public override string ToString() => string.Join(Environment.NewLine, Rows.Select(r => $"{r.Name}: {r.Value}"));

    /// <summary>Cuts every absolute path down to its last part, and blots out the given names where they stand as
    /// words.</summary>
    /// <param name="text">The text.</param>
    /// <param name="names">Names that must not be told; those shorter than three letters are left, since they would hit
    /// ordinary words.</param>
    public static string WithoutNames(string text, params IReadOnlyList<string> names)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(names);
        var clean = AbsolutePath().Replace(text, m => m.Groups["last"].Value is { Length: > 0 } last ? last : "…");
        foreach (var name in names)
            if (name.Length >= 3)
                clean = Regex.Replace(clean, $@"(?<!\w){Regex.Escape(name)}(?!\w)", "…", RegexOptions.IgnoreCase);
        return clean;
    }

    // A drive, a share, a home mark or a root, then folders (a folder's name may hold single spaces), then the last
    // part.
    private const string PathStart = """(?<![\w./\\])(?:file://)?(?:[A-Za-z]:[\\/]|\\\\|~[\\/]|/)""";
    private const string PathFolders = """(?:[^\s\\/"'<>|:*?]+(?: [^\s\\/"'<>|:*?]+)*[\\/]+)*""";
    private const string PathEnd = """(?<last>[^\s\\/"'<>|:*?,;)]*)""";

    [GeneratedRegex(PathStart + PathFolders + PathEnd)]
    private static partial Regex AbsolutePath();

    private static string Version(Assembly assembly) =>
        (
            assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion
            ?? assembly.GetName().Version?.ToString()
            ?? "unknown"
        ).Split('+')[0];

    private static string Processor()
    {
        try
        {
            if (
                OperatingSystem.IsLinux()
                && File.ReadLines("/proc/cpuinfo")
                    .FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))
                    is { } line
            )
                return line[(line.IndexOf(':') + 1)..].Trim();
            if (OperatingSystem.IsMacOS())
            {
                using var sysctl = Process.Start(
                    new ProcessStartInfo("sysctl", ["-n", "machdep.cpu.brand_string"]) { RedirectStandardOutput = true }
                );
                if (sysctl?.StandardOutput.ReadLine() is { Length: > 0 } brand)
                    return brand.Trim();
            }
        }
        catch (Exception e)
            when (e is IOException or UnauthorizedAccessException or System.ComponentModel.Win32Exception)
        {
            // A report with one fact less is better than none.
        }
        return Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER")
            ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
