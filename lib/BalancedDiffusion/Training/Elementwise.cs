using System.Numerics;
using System.Runtime.CompilerServices;
using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>What an update rule computes with, element by element: a vector of the processor or a whole
/// tensor.</summary>
internal interface IElementwise<TSelf>
    where TSelf : struct, IElementwise<TSelf>
{
    static abstract TSelf operator +(TSelf a, TSelf b);

    static abstract TSelf operator -(TSelf a, TSelf b);

    static abstract TSelf operator *(TSelf a, TSelf b);

    static abstract TSelf operator /(TSelf a, TSelf b);

    /// <summary>The square root.</summary>
    static abstract TSelf Root(TSelf a);

    /// <summary>One number for all elements.</summary>
    static abstract TSelf All(double value);
}

/// <summary>As many numbers as a register of the processor holds.</summary>
internal readonly struct VectorElements<T>(Vector<T> value) : IElementwise<VectorElements<T>>
    where T : unmanaged, INumber<T>
{
    public Vector<T> Value
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => value;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static VectorElements<T> operator +(VectorElements<T> a, VectorElements<T> b) => new(a.Value + b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static VectorElements<T> operator -(VectorElements<T> a, VectorElements<T> b) => new(a.Value - b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static VectorElements<T> operator *(VectorElements<T> a, VectorElements<T> b) => new(a.Value * b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static VectorElements<T> operator /(VectorElements<T> a, VectorElements<T> b) => new(a.Value / b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static VectorElements<T> Root(VectorElements<T> a) => new(Vector.SquareRoot(a.Value));

    public static VectorElements<T> All(double value) => new(new Vector<T>(T.CreateChecked(value)));
}

/// <summary>All numbers of a tensor, on any device; each operation makes a new one in the caller's dispose
/// scope.</summary>
internal readonly struct TensorElements(torch.Tensor value) : IElementwise<TensorElements>
{
    public torch.Tensor Value => value;

    public static TensorElements operator +(TensorElements a, TensorElements b) => new(a.Value + b.Value);

    public static TensorElements operator -(TensorElements a, TensorElements b) => new(a.Value - b.Value);

    public static TensorElements operator *(TensorElements a, TensorElements b) => new(a.Value * b.Value);

    public static TensorElements operator /(TensorElements a, TensorElements b) => new(a.Value / b.Value);

    public static TensorElements Root(TensorElements a) => new(a.Value.sqrt());

    // Without dimensions on the CPU, it takes part on every device and leaves the other's type as it is.
    public static TensorElements All(double value) => new(torch.tensor(value, dtype: torch.float64));
}
