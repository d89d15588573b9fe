using System.IO.MemoryMappedFiles;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>
/// A safetensors file mapped into memory. Only the piece that is being shown is mapped, so that the file never stands
/// in the process's memory beside the tensors that it fills.
/// </summary>
internal sealed class SafetensorsFile : ITensorFile
{
    private const long Piece = 1 << 20;

    private readonly FileStream file;
    private readonly MemoryMappedFile? map;
    private readonly SafetensorsHeader header;

    public SafetensorsFile(string path)
    {
        Path = System.IO.Path.GetFullPath(path);
        file = Safetensors.Open(path);
        try
        {
            header = CheckpointFile.Named("file", path, () => SafetensorsHeader.Read(file));
            map =
                file.Length == 0
                    ? null
                    : MemoryMappedFile.CreateFromFile(
                        file,
                        null,
                        0,
                        MemoryMappedFileAccess.Read,
                        HandleInheritability.None,
                        leaveOpen: true
                    );
        }
        catch
        {
            file.Dispose();
            throw;
        }
        Headers = [.. header.Entries.Select(e => new TensorHeader(e.Name, e.Type, e.Shape, Path))];
    }

    public string Path { get; }

    public IReadOnlyList<TensorHeader> Headers { get; }

    public void Read(Func<TensorHeader, bool> wanted, TensorPiece see)
    {
        foreach (var (entry, tensor) in header.Entries.Zip(Headers))
        {
            var count = tensor.Elements;
            if (count == 0 || !wanted(tensor))
                continue;
            using var scope = torch.NewDisposeScope();
            var buffer = torch.empty(Math.Min(count, Piece), dtype: entry.Type);
            for (long offset = 0; offset < count; offset += Piece)
            {
                using var piece = buffer.narrow(0, 0, Math.Min(Piece, count - offset));
                var bytes = piece.bytes;
                using var view = map!.CreateViewAccessor(
                    header.Start + entry.Begin + offset * entry.Size,
                    bytes.Length,
                    MemoryMappedFileAccess.Read
                );
                Copy(view, bytes);
                if (entry.Type == torch.ScalarType.Bool && !TensorBytes.AreBooleans(piece))
                    throw new InvalidDataException(
                        $"the file '{System.IO.Path.GetFileName(Path)}' holds a boolean in "
                            + $"{Listing.Quoted(entry.Name)} that is neither 0 nor 1; the file is damaged"
                    );
                see(tensor, offset, piece);
            }
        }
    }

    // The handle's own ReadSpan moves one element at a time.
    private static unsafe void Copy(MemoryMappedViewAccessor view, Span<byte> bytes)
    {
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        try
        {
            new ReadOnlySpan<byte>(start + view.PointerOffset, bytes.Length).CopyTo(bytes);
        }
        finally
        {
            view.SafeMemoryMappedViewHandle.ReleasePointer();
        }
    }

    public void Dispose()
    {
        map?.Dispose();
        file.Dispose();
    }
}
