using System.Buffers.Binary;
using System.IO.Compression;
using BalancedDiffusion.Datasets;
using TorchSharp;

namespace BalancedDiffusion.Tests.Checkpoints;

/// <summary>Data that only some machines have: tests that need it skip elsewhere.</summary>
internal static class SharedData
{
    public static string Path(params string[] parts)
    {
        var name = string.Join('/', parts);
        var path = DataFolders.Find(name);
        Assert.SkipUnless(File.Exists(path), $"{name} is not on this machine");
        return path!;
    }

    public static string Memorizing => Path("checkpoints", "DAE_sample_5_sigma_0.2.pth");

    public static string Generalizing => Path("checkpoints", "DAE_sample_10000_sigma_0.2.pth");

    /// <summary>The samples that the authors' memorizing network was trained on.</summary>
    public static readonly int[] Five = [0, 36, 148, 195, 232];

    /// <summary>The first images of CelebA at 32×32 in grey (ITU-R 601 luma, as 8 bits), (count, 1024) in [-1,
    /// 1].</summary>
    public static torch.Tensor CelebA(int count)
    {
        using var zip = new GZipStream(
            File.OpenRead(Path("celeba", "celeba-10k-32x32-rgb-idx4-ubyte.gz")),
            CompressionMode.Decompress
        );
        var header = new byte[20];
        zip.ReadExactly(header);
        Assert.Equal(
            [0x804, 10000, 32, 32, 3],
            Enumerable.Range(0, 5).Select(i => BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(4 * i)))
        );
        var rgb = new byte[count * 1024 * 3];
        zip.ReadExactly(rgb);
        var grey = new float[count * 1024];
        for (var i = 0; i < grey.Length; i++)
            grey[i] =
                ((rgb[3 * i] * 19595 + rgb[3 * i + 1] * 38470 + rgb[3 * i + 2] * 7471 + 0x8000) >> 16) / 127.5f - 1;
        return torch.tensor(grey, [count, 1024]);
    }
}
