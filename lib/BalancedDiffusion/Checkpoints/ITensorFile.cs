using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>Shows a part of a tensor's numbers: a flat, contiguous CPU tensor in the file's type, which holds them from
/// position <paramref name="offset"/> on and is valid during the call alone.</summary>
internal delegate void TensorPiece(TensorHeader tensor, long offset, torch.Tensor piece);

/// <summary>An open file of tensors, whose headers are known and whose numbers pass by piece after piece.</summary>
internal interface ITensorFile : IDisposable
{
    /// <summary>Every tensor of the file, in the file's order.</summary>
    IReadOnlyList<TensorHeader> Headers { get; }

    /// <summary>Shows the numbers of the tensors that are wanted, each from its first to its last.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    void Read(Func<TensorHeader, bool> wanted, TensorPiece see);
}
