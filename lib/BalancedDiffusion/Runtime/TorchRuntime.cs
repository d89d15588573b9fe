using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace BalancedDiffusion.Runtime;

/// <summary>
/// Loads libtorch by absolute path before TorchSharp is first called, so that the same build works in an application,
/// in a test host and in a notebook kernel, and on Linux systems whose libstdc++ is older than the one TorchSharp was
/// built with.
/// </summary>
public static class TorchRuntime
{
    private const string Marker = "_ZSt21ios_base_library_initv";
    private static readonly Lock Gate = new();
    private static bool tried;
    private static string? failure;

    /// <summary>What was done to load libtorch, one sentence a step; empty before the first attempt.</summary>
    public static IReadOnlyList<string> Log => Messages;
    private static readonly List<string> Messages = [];

    /// <summary>Whether the natives are those of CUDA (chosen at build time by <c>-p:Cuda=true</c>).</summary>
    public static bool HasCudaNatives { get; private set; }

    /// <summary>The folder that the native libraries were loaded from, or null where they were left to
    /// TorchSharp.</summary>
    public static string? NativeFolder { get; private set; }

    /// <summary>Makes sure that libtorch is loaded; does nothing the second time.</summary>
    /// <exception cref="InvalidOperationException">libtorch cannot be loaded; the message says what to do.</exception>
    public static void EnsureLoaded()
    {
        Try();
        if (failure is not null)
            throw new InvalidOperationException(failure);
    }

    /// <summary>Frees the tensors that nobody holds any more, and gives the memory that stands free back to the system.
    /// It takes a moment; a step of a training or of a sampler does not need it.</summary>
    public static void ReleaseMemory()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        FreedMemory.Return();
    }

    // a library that must load natives before its first use by a notebook kernel has no other moment
#pragma warning disable CA2255
    [ModuleInitializer]
    internal static void Try()
    {
        lock (Gate)
        {
            if (tried)
                return;
            tried = true;
            try
            {
                Load();
            }
            catch (Exception e)
                when (e
                        is DllNotFoundException
                            or BadImageFormatException
                            or IOException
                            or UnauthorizedAccessException
                            or InvalidDataException
                )
            {
                failure =
                    $"libtorch could not be loaded ({FirstLine(e.Message)}); build the "
                    + "repository again, and if that does not help see 'If something fails' in README.md.";
            }
        }
    }
#pragma warning restore CA2255

    private static string FirstLine(string message) => message.Split('\n', 2)[0].Trim();

    private static void Load()
    {
        if (ProcessorLimits.ConvolutionsAreWrong)
            Messages.Add("On this processor convolutions are computed as products, since libtorch's own are wrong.");
        if (FreedMemory.Keep())
            Messages.Add("Freed memory is kept for the next tensors, up to 512 MB (glibc's mallopt).");
        var folder = FindNativeFolder();
        if (folder is null)
        {
            Messages.Add("No native folder beside the library: left to TorchSharp's own search.");
            return;
        }
        NativeFolder = folder;
        HasCudaNatives = Directory.EnumerateFiles(folder, "*torch_cuda*").Any();
        if (!RuntimeInformation.IsOSPlatform(OSPlatform.Linux))
        {
            foreach (
                var name in RuntimeInformation.IsOSPlatform(OSPlatform.Windows)
                    ? new[] { "libiomp5md.dll", "uv.dll", "c10.dll", "torch_cpu.dll", "torch.dll", "LibTorchSharp.dll" }
                    : ["libomp.dylib", "libc10.dylib", "libtorch_cpu.dylib", "libtorch.dylib", "libLibTorchSharp.dylib"]
            )
                if (File.Exists(Path.Combine(folder, name)))
                    NativeLibrary.Load(Path.Combine(folder, name));
            Messages.Add("libtorch was loaded from beside the library.");
            return;
        }
        foreach (
            var pattern in new[]
            {
                "libgomp-*.so.1",
                "libc10.so",
                "libtorch_cpu.so",
                "libcudart*.so*",
                "libc10_cuda.so",
                "libtorch_cuda.so",
                "libtorch.so",
            }
        )
        foreach (var file in Directory.GetFiles(folder, pattern))
            NativeLibrary.Load(file);
        NativeLibrary.Load(MendIfNeeded(Path.Combine(folder, "libLibTorchSharp.so")));
        Messages.Add("libtorch was loaded from beside the library.");
    }

    private static string? FindNativeFolder()
    {
        var rid = PortableRid();
        var roots = new[] { Path.GetDirectoryName(typeof(TorchRuntime).Assembly.Location), AppContext.BaseDirectory };
        var probe =
            RuntimeInformation.IsOSPlatform(OSPlatform.Windows) ? "LibTorchSharp.dll"
            : RuntimeInformation.IsOSPlatform(OSPlatform.OSX) ? "libLibTorchSharp.dylib"
            : "libLibTorchSharp.so";
        return roots
            .Where(root => !string.IsNullOrEmpty(root))
            .SelectMany(root => new[] { Path.Combine(root!, "runtimes", rid, "native"), root! })
            .FirstOrDefault(folder => File.Exists(Path.Combine(folder, probe)));
    }

    private static string PortableRid()
    {
        var system =
            RuntimeInformation.IsOSPlatform(OSPlatform.Windows) ? "win"
            : RuntimeInformation.IsOSPlatform(OSPlatform.OSX) ? "osx"
            : "linux";
        return $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
    }

    /// <summary>
    /// Where the system's libstdc++ lacks the newest version that <c>libLibTorchSharp.so</c> names, and the only symbol
    /// asking for it is the link-time marker of the iostream header (which nothing calls), a copy with that one need
    /// marked weak is loaded instead.
    /// </summary>
    private static string MendIfNeeded(string path)
    {
        var standard = FindLoadedLibrary("libstdc++.so.6");
        if (standard is null)
            return path;
        var provided = ElfSymbolVersions.Read(standard).Defines;
        var wrapper = ElfSymbolVersions.Read(path);
        var missing = wrapper
            .Needs.Where(n => n.Library == "libstdc++.so.6" && !n.Weak && !provided.Contains(n.Version))
            .ToList();
        if (missing.Count == 0)
            return path;
        if (missing.Count > 1 || wrapper.SymbolsOf(missing[0].Index) is not [Marker])
            throw new InvalidDataException(
                "this system's libstdc++ is too old for TorchSharp: it lacks "
                    + $"{string.Join(", ", missing.Select(n => n.Version))}; use a newer Linux (GCC 13 or later)"
            );
        var patched = wrapper.WithWeak(missing[0]);
        var target = Path.Combine(
            UserFolders.Cache,
            "native",
            Convert.ToHexStringLower(SHA256.HashData(patched))[..16],
            "libLibTorchSharp.so"
        );
        if (!File.Exists(target) || new FileInfo(target).Length != patched.Length)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            var fresh = $"{target}.{Environment.ProcessId}.tmp";
            File.WriteAllBytes(fresh, patched);
            File.Move(fresh, target, overwrite: true);
        }
        Messages.Add(
            $"The system's libstdc++ lacks {missing[0].Version}, asked for by an unused marker only: a copy "
                + "of libLibTorchSharp.so with that need marked weak is in use."
        );
        return target;
    }

    private static string? FindLoadedLibrary(string name)
    {
        if (!NativeLibrary.TryLoad(name, out _) || !File.Exists("/proc/self/maps"))
            return null;
        return File.ReadLines("/proc/self/maps")
            .Select(line => line.IndexOf('/') is var slash and >= 0 ? line[slash..] : "")
            .FirstOrDefault(file => Path.GetFileName(file).StartsWith("libstdc++.so.6", StringComparison.Ordinal));
    }
}
