using System.Reflection;
using System.Runtime.InteropServices;
using SkiaSharp;

namespace BalancedDiffusion.Runtime;

/// <summary>Decodes JPEG and PNG files to RGB bytes.</summary>
internal static class PictureFile
{
    static PictureFile()
    {
        try
        {
            NativeLibrary.SetDllImportResolver(typeof(SKBitmap).Assembly, Resolve);
        }
        catch (InvalidOperationException)
        {
            // the host application has its own way to the native library
        }
    }

    /// <summary>The pixels, three bytes each (red, green, blue), row by row.</summary>
    /// <param name="path">The file.</param>
    /// <param name="remedy">What to do about a file that cannot be read, e.g. <c>unpack it again</c>.</param>
    /// <exception cref="InvalidDataException">The file is not an image or is damaged.</exception>
    /// <exception cref="InvalidOperationException">The native decoder is not to be had on this machine.</exception>
    public static (byte[] Rgb, int Width, int Height) Read(string path, string remedy)
    {
        try
        {
            using var data = SKData.CreateCopy(File.ReadAllBytes(path));
            using var codec =
                SKCodec.Create(data) ?? throw new InvalidDataException($"'{path}' is not an image; {remedy}");
            var info = new SKImageInfo(codec.Info.Width, codec.Info.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
            var rgba = new byte[info.BytesSize];
            var pin = GCHandle.Alloc(rgba, GCHandleType.Pinned);
            SKCodecResult result;
            try
            {
                result = codec.GetPixels(info, pin.AddrOfPinnedObject());
            }
            finally
            {
                pin.Free();
            }
            if (result != SKCodecResult.Success)
                throw new InvalidDataException($"'{path}' is a damaged image ({result}); {remedy}");
            var rgb = new byte[info.Width * info.Height * 3];
            for (int from = 0, to = 0; to < rgb.Length; from += 4, to += 3)
            {
                rgb[to] = rgba[from];
                rgb[to + 1] = rgba[from + 1];
                rgb[to + 2] = rgba[from + 2];
            }
            return (rgb, info.Width, info.Height);
        }
        catch (Exception e)
            when (e is DllNotFoundException or TypeInitializationException { InnerException: DllNotFoundException })
        {
            throw new InvalidOperationException(
                "images cannot be decoded on this machine: SkiaSharp's native library for "
                    + $"{RuntimeInformation.RuntimeIdentifier} is missing; build the repository again",
                e
            );
        }
    }

    // A notebook kernel loads the library by path, without its list of dependencies: look beside it.
    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? search)
    {
        if (name != "libSkiaSharp")
            return 0;
        var system =
            OperatingSystem.IsWindows() ? "win"
            : OperatingSystem.IsMacOS() ? "osx"
            : "linux";
        var architecture = RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();
        var file =
            OperatingSystem.IsWindows() ? "libSkiaSharp.dll"
            : OperatingSystem.IsMacOS() ? "libSkiaSharp.dylib"
            : "libSkiaSharp.so";
        foreach (
            var root in new[] { Path.GetDirectoryName(typeof(PictureFile).Assembly.Location), AppContext.BaseDirectory }
        )
        foreach (var rid in new[] { RuntimeInformation.RuntimeIdentifier, $"{system}-{architecture}", system, "" })
            if (
                !string.IsNullOrEmpty(root)
                && Path.Combine(root, rid.Length == 0 ? file : Path.Combine("runtimes", rid, "native", file))
                    is var path
                && File.Exists(path)
                && NativeLibrary.TryLoad(path, out var handle)
            )
                return handle;
        return 0;
    }
}
