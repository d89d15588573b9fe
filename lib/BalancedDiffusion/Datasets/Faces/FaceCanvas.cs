using System.Numerics;
using System.Runtime.CompilerServices;
using V = System.Numerics.Vector<float>;

namespace BalancedDiffusion.Datasets.Faces;

/// <summary>Two colours in [0, 1]; a layer shades from the dark one to the light one.</summary>
internal readonly record struct Ink(Vector3 Dark, Vector3 Light)
{
    public static Ink Flat(Vector3 color) => new(color, color);
}

/// <summary>A rectangle in the coordinates of a frame.</summary>
internal readonly record struct Box(float Left, float Top, float Right, float Bottom)
{
    public static Box Around(float x, float y, float halfWidth, float halfHeight) =>
        new(x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight);
}

/// <summary>Where a frame lies in the picture: picture = offset + scale · rotation · frame, the picture being [-1,
/// 1]² with y downwards.</summary>
internal readonly record struct Frame(float X, float Y, float Cos, float Sin, float Scale);

/// <summary>Something painted over what lies below.</summary>
internal interface ILayer
{
    /// <summary>
    /// The cover in [0, 1] and the shade in [0, 1] (0 is the ink's dark colour) at these points of the layer's frame; i
    /// is the number of the first of these pixels, row by row.
    /// </summary>
    void At(int i, V x, V y, out V cover, out V shade);
}

/// <summary>
/// A picture in the making. Every layer is a convex mixture of colours with the same weights in each channel, so
/// painting with the luma of the colours gives the luma of the painted picture. Only +, -, ×, ÷ and √ are used, so
/// machines differ by rounding alone.
/// </summary>
internal readonly unsafe struct FaceCanvas(float* pixels, int size, bool rgb)
{
    public static readonly Vector3 Luma = new(0.299f, 0.587f, 0.114f);

    private static readonly V Lanes = MakeLanes();

    public int Size => size;

    /// <summary>Paints a layer where the box lies.</summary>
    public void Paint<T>(in Frame frame, in Box box, in Ink ink, in T layer)
        where T : struct, ILayer
    {
        if (!Bounds(frame, box, out var left, out var top, out var right, out var bottom))
            return;
        var (pixel, half) = (2f / size, 0.5f * size);
        var plane = size * size;
        var inverse = 1 / frame.Scale;
        V cos = new(frame.Cos * inverse),
            sin = new(frame.Sin * inverse);
        var copy = layer;
        V dark0,
            range0,
            dark1 = V.Zero,
            range1 = V.Zero,
            dark2 = V.Zero,
            range2 = V.Zero;
        if (rgb)
        {
            Spread(ink.Dark.X, ink.Light.X, out dark0, out range0);
            Spread(ink.Dark.Y, ink.Light.Y, out dark1, out range1);
            Spread(ink.Dark.Z, ink.Light.Z, out dark2, out range2);
        }
        else
            Spread(Vector3.Dot(ink.Dark, Luma), Vector3.Dot(ink.Light, Luma), out dark0, out range0);

        for (var row = top; row < bottom; row++)
        {
            var dy = new V((row + 0.5f - half) * pixel - frame.Y);
            V yCos = dy * cos,
                ySin = dy * sin;
            for (var column = left; column < right; column += V.Count)
            {
                var dx = (new V(column + 0.5f - half) + Lanes) * pixel - new V(frame.X);
                var i = row * size + column;
                copy.At(i, dx * cos + ySin, yCos - dx * sin, out var cover, out var shade);
                var p = pixels + i;
                Mix(p, cover, dark0 + shade * range0);
                if (!rgb)
                    continue;
                Mix(p + plane, cover, dark1 + shade * range1);
                Mix(p + 2 * plane, cover, dark2 + shade * range2);
            }
        }
    }

    /// <summary>The pixels, in whole vectors, that the box can touch.</summary>
    public bool Bounds(in Frame frame, in Box box, out int left, out int top, out int right, out int bottom)
    {
        float middleX = 0.5f * (box.Left + box.Right),
            middleY = 0.5f * (box.Top + box.Bottom);
        float halfX = 0.5f * (box.Right - box.Left),
            halfY = 0.5f * (box.Bottom - box.Top);
        var x = frame.X + frame.Scale * (middleX * frame.Cos - middleY * frame.Sin);
        var y = frame.Y + frame.Scale * (middleX * frame.Sin + middleY * frame.Cos);
        float cos = MathF.Abs(frame.Cos),
            sin = MathF.Abs(frame.Sin);
        float reachX = frame.Scale * (halfX * cos + halfY * sin),
            reachY = frame.Scale * (halfX * sin + halfY * cos);
        var half = 0.5f * size;
        left = Math.Max(0, (int)MathF.Floor((x - reachX + 1) * half) - 1) & -V.Count;
        right = Math.Min(size, (int)MathF.Ceiling((x + reachX + 1) * half) + 1);
        top = Math.Max(0, (int)MathF.Floor((y - reachY + 1) * half) - 1);
        bottom = Math.Min(size, (int)MathF.Ceiling((y + reachY + 1) * half) + 1);
        return left < right && top < bottom;
    }

    /// <summary>Adds the slope of a soft bump, height · (1 - q)² with q = (x/halfWidth)² + (y/halfHeight)², to the
    /// two planes.</summary>
    public void Bump(
        in Frame frame,
        float* slopeX,
        float* slopeY,
        float x,
        float y,
        float halfWidth,
        float halfHeight,
        float height
    )
    {
        if (
            !Bounds(
                frame,
                Box.Around(x, y, halfWidth, halfHeight),
                out var left,
                out var top,
                out var right,
                out var bottom
            )
        )
            return;
        var (pixel, half) = (2f / size, 0.5f * size);
        var inverse = 1 / frame.Scale;
        V cos = new(frame.Cos * inverse),
            sin = new(frame.Sin * inverse),
            centerX = new(x),
            centerY = new(y);
        V acrossX = new(1 / (halfWidth * halfWidth)),
            acrossY = new(1 / (halfHeight * halfHeight)),
            steep = new(-4 * height);
        for (var row = top; row < bottom; row++)
        {
            var dy = new V((row + 0.5f - half) * pixel - frame.Y);
            V yCos = dy * cos,
                ySin = dy * sin;
            for (var column = left; column < right; column += V.Count)
            {
                var dx = (new V(column + 0.5f - half) + Lanes) * pixel - new V(frame.X);
                var i = row * size + column;
                V u = dx * cos + ySin - centerX,
                    v = yCos - dx * sin - centerY;
                V ux = u * acrossX,
                    vy = v * acrossY;
                var factor = steep * Vector.MaxNative(V.Zero, V.One - u * ux - v * vy);
                (Vector.Load(slopeX + i) + factor * ux).Store(slopeX + i);
                (Vector.Load(slopeY + i) + factor * vy).Store(slopeY + i);
            }
        }
    }

    /// <summary>Keeps rounding from leaving [-1, 1].</summary>
    public void Clamp()
    {
        var count = size * size * (rgb ? 3 : 1);
        for (var i = 0; i < count; i += V.Count)
            Vector.MinNative(V.One, Vector.MaxNative(new V(-1f), Vector.Load(pixels + i))).Store(pixels + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Spread(float dark, float light, out V start, out V range) =>
        (start, range) = (new V(2 * dark - 1), new V(2 * (light - dark)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Mix(float* p, V cover, V color)
    {
        var below = Vector.Load(p);
        (below + cover * (color - below)).Store(p);
    }

    private static V MakeLanes()
    {
        Span<float> lanes = stackalloc float[V.Count];
        for (var i = 0; i < lanes.Length; i++)
            lanes[i] = i;
        return new V(lanes);
    }
}

/// <summary>Small functions of vectors of pixels.</summary>
internal static class Soft
{
    /// <summary>Limits to [0, 1].</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Unit(V x) => Vector.MinNative(V.One, Vector.MaxNative(V.Zero, x));

    /// <summary>A wave of period 1 between 0 and 1 (parabolic arcs in place of a sine).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Wave(V x)
    {
        var f = x - Vector.Floor(x) - new V(0.5f);
        var g = V.One - Vector.Abs(f) * 4f;
        return new V(0.5f) + 0.5f * g * (new V(2f) - Vector.Abs(g));
    }

    /// <summary>Rises smoothly from 0 at <paramref name="start"/> to 1 at <paramref name="end"/>.</summary>
    public static float Step(float x, float start, float end)
    {
        var t = Math.Clamp((x - start) / (end - start), 0f, 1f);
        return t * t * (3 - 2 * t);
    }

    public static float Lerp(float a, float b, float t) => a + (b - a) * t;

    /// <summary>The sine for |x| ≤ π/2 by its series (error below 1e-6), the same on every machine.</summary>
    public static float Sin(float x)
    {
        var s = x * x;
        return x * (1 - s * (1f / 6 - s * (1f / 120 - s * (1f / 5040 - s * (1f / 362880 - s / 39916800)))));
    }

    /// <summary>The cosine for |x| ≤ π/2.</summary>
    public static float Cos(float x)
    {
        var h = Sin(0.5f * x);
        return 1 - 2 * h * h;
    }
}
