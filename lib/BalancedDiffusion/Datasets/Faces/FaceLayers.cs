using System.Numerics;
using System.Runtime.CompilerServices;
using V = System.Numerics.Vector<float>;

namespace BalancedDiffusion.Datasets.Faces;

/// <summary>The background: one tone into another along a direction, with a soft vignette.</summary>
internal readonly struct Backdrop(float cos, float sin, float gradient) : ILayer
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void At(int i, V x, V y, out V cover, out V shade)
    {
        cover = V.One;
        var along = (x * cos + y * sin) * gradient;
        shade = Soft.Unit(new V(0.5f) + 0.5f * along * (new V(1.25f) - 0.25f * along * along));
    }
}

/// <summary>An ellipse with a sharp edge and one shade.</summary>
internal readonly struct Disc(
    float x,
    float y,
    float halfWidth,
    float halfHeight,
    float pixel,
    float opacity,
    float shade
) : ILayer
{
    private readonly float acrossX = 1 / (halfWidth * halfWidth),
        acrossY = 1 / (halfHeight * halfHeight),
        sharp = 0.5f * MathF.Min(halfWidth, halfHeight) / pixel;

    public Box Box => Box.Around(x, y, halfWidth + pixel, halfHeight + pixel);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void At(int i, V px, V py, out V cover, out V tone)
    {
        V u = px - new V(x),
            v = py - new V(y);
        cover = opacity * Soft.Unit((V.One - u * u * acrossX - v * v * acrossY) * sharp + new V(0.5f));
        tone = new V(shade);
    }
}

/// <summary>A soft spot, opacity · (1 - q)² with q = (x/halfWidth)² + (y/halfHeight)².</summary>
internal readonly struct Glow(float x, float y, float halfWidth, float halfHeight, float opacity, float shade) : ILayer
{
    private readonly float acrossX = 1 / (halfWidth * halfWidth),
        acrossY = 1 / (halfHeight * halfHeight);

    public Box Box => Box.Around(x, y, halfWidth, halfHeight);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void At(int i, V px, V py, out V cover, out V tone)
    {
        V u = px - new V(x),
            v = py - new V(y);
        var q = Vector.MaxNative(V.Zero, V.One - u * u * acrossX - v * v * acrossY);
        cover = opacity * q * q;
        tone = new V(shade);
    }
}

/// <summary>
/// The region between two parabolas that meet at both ends: along u in [-1, 1] it reaches from bend·u² -
/// above·(1-u²) to bend·u² + below·(1-u²). It serves as lid, brow, lip, wrinkle and moustache; thinner than a
/// pixel, its cover falls in proportion.
/// </summary>
internal readonly struct Lens(
    float x,
    float y,
    float cos,
    float sin,
    float halfLength,
    float bend,
    float above,
    float below,
    float pixel,
    float opacity,
    float shade
) : ILayer
{
    private readonly float perLength = 1 / halfLength,
        perPixel = 1 / pixel;

    public Box Box
    {
        get
        {
            float reach = MathF.Abs(bend) + MathF.Max(above, below) + pixel,
                c = MathF.Abs(cos),
                s = MathF.Abs(sin);
            return Box.Around(x, y, halfLength * c + reach * s, halfLength * s + reach * c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void At(int i, V px, V py, out V cover, out V tone)
    {
        V dx = px - new V(x),
            dy = py - new V(y);
        V u = (dx * cos + dy * sin) * perLength,
            v = dy * cos - dx * sin;
        var square = u * u;
        V rest = V.One - square,
            middle = v - square * bend,
            half = new(0.5f);
        var upper = Soft.Unit((middle + rest * above) * perPixel + half);
        var lower = Soft.Unit((rest * below - middle) * perPixel + half);
        cover = opacity * Vector.MaxNative(V.Zero, upper + lower - V.One);
        tone = new V(shade);
    }
}

/// <summary>A disc seen through the opening of the lids.</summary>
internal readonly struct EyePart(Lens opening, Disc disc) : ILayer
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void At(int i, V x, V y, out V cover, out V shade)
    {
        opening.At(i, x, y, out var lids, out _);
        disc.At(i, x, y, out cover, out shade);
        cover *= lids;
    }
}

/// <summary>The rim of a lens of a pair of glasses: a rounded rectangle's outline.</summary>
internal readonly struct Rim(
    float x,
    float y,
    float halfWidth,
    float halfHeight,
    float thickness,
    float pixel,
    float opacity
) : ILayer
{
    private readonly float perWidth = 1 / halfWidth,
        perHeight = 1 / halfHeight,
        perPixel = 1 / pixel,
        radius = MathF.Min(halfWidth, halfHeight);

    public Box Box => Box.Around(x, y, halfWidth + thickness + pixel, halfHeight + thickness + pixel);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void At(int i, V px, V py, out V cover, out V tone)
    {
        V u = (px - new V(x)) * perWidth,
            v = (py - new V(y)) * perHeight;
        V uu = u * u,
            vv = v * v;
        var q = Vector.SquareRoot(Vector.SquareRoot(uu * uu + vv * vv + uu * vv));
        var distance = (q - V.One) * radius;
        V half = new(0.5f),
            thick = new(0.5f * thickness);
        cover =
            opacity
            * (Soft.Unit((distance + thick) * perPixel + half) - Soft.Unit((distance - thick) * perPixel + half));
        tone = V.Zero;
    }
}

/// <summary>The outline of the head: an ellipse above, narrowing to the chin below, squared by the jaw.</summary>
internal readonly struct HeadShape(
    float halfWidth,
    float centerY,
    float above,
    float below,
    float taper,
    float square,
    float lean,
    float pixel
)
{
    private readonly float perWidth = 1 / halfWidth,
        perAbove = 1 / above,
        perBelow = 1 / below,
        sharp = 0.5f * halfWidth / pixel;

    public Box Box =>
        new(
            -halfWidth - MathF.Abs(lean) - pixel,
            centerY - above - pixel,
            halfWidth + MathF.Abs(lean) + pixel,
            centerY + below + pixel
        );

    /// <summary>u across and v down, both in units of the outline; inside is 1 - |(u,v)|² &gt; 0 (corrected for the
    /// jaw) and is returned.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V At(V x, V y, out V u, out V v)
    {
        var dy = y - new V(centerY);
        var down = Vector.MaxNative(V.Zero, dy) * perBelow;
        v = Vector.MinNative(V.Zero, dy) * perAbove + down;
        u = (x - lean * down) * perWidth / (V.One - taper * Vector.MinNative(V.One, down * down));
        V uu = u * u,
            vv = v * v;
        return V.One
            - uu
            - vv
            + square * Vector.MinNative(V.One, down) * Vector.MinNative(V.One, uu) * Vector.MinNative(V.One, vv);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Cover(V inside) => Soft.Unit(inside * sharp + new V(0.5f));
}

/// <summary>The skin of the head under one lamp: Lambert's law on an ellipsoid whose slopes are disturbed by nose,
/// sockets, cheeks and folds.</summary>
internal readonly unsafe struct Skin(HeadShape head, float* slopeX, float* slopeY, Vector3 light, float ambient)
    : ILayer
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void At(int i, V x, V y, out V cover, out V shade)
    {
        var inside = head.At(x, y, out var u, out var v);
        cover = head.Cover(inside);
        var depth = Vector.SquareRoot(Vector.MaxNative(new V(0.02f), inside));
        V nx = 0.95f * u - Vector.Load(slopeX + i) * depth,
            ny = 0.8f * v - Vector.Load(slopeY + i) * depth,
            nz = depth + new V(0.12f);
        var lambert = Vector.MaxNative(
            V.Zero,
            new V(0.12f)
                + 0.88f * (nx * light.X + ny * light.Y + nz * light.Z) / Vector.SquareRoot(nx * nx + ny * ny + nz * nz)
        );
        var gleam = lambert * lambert;
        gleam *= gleam;
        gleam *= gleam;
        gleam *= gleam;
        shade = Soft.Unit(new V(ambient) + (0.96f - ambient) * lambert + 0.1f * gleam * gleam);
        shade *= Soft.Unit(new V(0.8f) + inside);
    }
}

/// <summary>The beard: the lower face around the mouth, mottled.</summary>
internal readonly struct Beard(
    HeadShape head,
    float mouthX,
    float mouthY,
    float mouthWidth,
    float mouthHeight,
    float density,
    Vector3 light,
    float ambient,
    float phase
) : ILayer
{
    private readonly float perWidth = 1 / (mouthWidth * mouthWidth),
        perHeight = 1 / (mouthHeight * mouthHeight);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void At(int i, V x, V y, out V cover, out V shade)
    {
        var inside = head.At(x, y, out var u, out var v);
        V dx = x - new V(mouthX),
            dy = y - new V(mouthY);
        var around = Soft.Unit((dx * dx * perWidth + dy * dy * perHeight - V.One) * 1.5f);
        var line = new V(0.56f) - 0.5f * u * u;
        var lower = Soft.Unit((v - line) * 6f + new V(0.5f));
        var mottle = Soft.Wave(x * 3.7f + y * 2.1f + new V(phase)) * Soft.Wave(y * 3.3f - x * 1.9f - new V(phase));
        cover =
            head.Cover(inside)
            * lower
            * around
            * Soft.Unit(density * (new V(1.15f) - 0.5f * (1 - density) * mottle))
            * 0.96f;
        var lambert = Soft.Unit(
            u * light.X + 0.7f * v * light.Y + Vector.SquareRoot(Vector.MaxNative(V.Zero, inside)) * light.Z
        );
        shade = Soft.Unit(new V(ambient) + (0.8f - ambient) * lambert + 0.25f * (mottle - new V(0.3f)));
    }
}

/// <summary>The neck: a shaded column, darker below the chin.</summary>
internal readonly struct Neck(
    float x,
    float top,
    float bottom,
    float halfWidth,
    Vector3 light,
    float ambient,
    float pixel
) : ILayer
{
    private readonly float perPixel = 1 / pixel,
        perWidth = 1 / halfWidth;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void At(int i, V px, V py, out V cover, out V shade)
    {
        var down = Soft.Unit((py - new V(top)) / (bottom - top));
        var u = (px - new V(x)) * perWidth / (V.One + 0.7f * down * down * down);
        cover = Soft.Unit((V.One - Vector.Abs(u)) * halfWidth * perPixel + new V(0.5f));
        var depth = Vector.SquareRoot(Vector.MaxNative(new V(0.02f), V.One - u * u));
        var lambert = Soft.Unit(u * light.X + depth * light.Z);
        shade = (new V(ambient) + (0.8f - ambient) * lambert) * (new V(0.5f) + 0.45f * down);
    }
}

/// <summary>Shoulders in clothes, cut out at the neck.</summary>
internal readonly struct Torso(
    float x,
    float top,
    float slope,
    float neckline,
    Vector3 light,
    float ambient,
    float pixel
) : ILayer
{
    private readonly float perPixel = 1 / pixel;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void At(int i, V px, V py, out V cover, out V shade)
    {
        var u = px - new V(x);
        var edge = new V(top) + slope * u * u;
        V cut = u * 3f,
            half = new(0.5f);
        var hole = new V(neckline) - (py - new V(top)) - 0.08f * cut * cut * cut * cut;
        cover = Soft.Unit((py - edge) * perPixel + half) * (V.One - Soft.Unit(hole * perPixel + half));
        var depth = Vector.SquareRoot(Vector.MaxNative(new V(0.1f), V.One - 0.7f * u * u));
        var lambert = Soft.Unit(0.8f * u * light.X + depth * light.Z - new V(0.3f * light.Y));
        shade = Soft.Unit(new V(ambient) + (0.95f - ambient) * lambert - 0.18f * Soft.Wave(u * 1.7f + py * 0.6f));
    }
}

/// <summary>
/// Hair as a shell around the head: everything inside its outline, less (in front) the window that leaves the face
/// free. Strands and curls are waves; the shell gleams where it faces the lamp.
/// </summary>
internal readonly struct Hair(HairForm form, bool front, Vector3 light, float ambient, float pixel) : ILayer
{
    private readonly float perPixel = 1 / pixel,
        perWidth = 1 / form.HalfWidth,
        perHeight = 1 / form.Height,
        perWindow = 1 / form.WindowHalfWidth,
        perRise = 1 / form.WindowRise,
        lengthSpan = 1 / (form.End - form.CenterY);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void At(int i, V px, V py, out V cover, out V shade)
    {
        V x = px - new V(form.CenterX),
            dy = py - new V(form.CenterY),
            half = new(0.5f);
        var warp = Soft.Wave(x * (0.83f * form.Frequency) - py * (0.71f * form.Frequency) + new V(form.Phase));
        var wave =
            Soft.Wave(x * form.Frequency + py * (0.57f * form.Frequency) + 0.45f * warp)
            + Soft.Wave(py * (1.13f * form.Frequency) - x * (0.29f * form.Frequency) + 0.6f * warp)
            - V.One;
        var up = Vector.MinNative(V.Zero, dy) * perHeight;
        var down = Vector.MaxNative(V.Zero, dy);
        var along = Soft.Unit(down * lengthSpan);
        var width = V.One + form.Flare * along * (new V(1.6f) - along);
        var u = x * perWidth / width;
        var q = V.One - u * u - up * up + (0.04f + 0.11f * form.Curl) * wave;
        var body = Soft.Unit(q * (0.5f * form.HalfWidth) * perPixel + half);
        var end = Soft.Unit(
            (new V(form.End) + 0.06f * wave - 0.2f * u * u * form.Taper - py) * (0.6f * perPixel) + half
        );
        cover = body * end;
        if (front)
        {
            var wx = px - new V(form.WindowX);
            V a = wx * perWindow,
                b = Vector.MinNative(V.Zero, py - new V(form.WindowY) - form.PartSlope * wx) * perRise;
            V aa = a * a,
                bb = b * b;
            var window =
                V.One
                - aa
                - bb
                + form.WindowSquare * Vector.MinNative(V.One, aa) * Vector.MinNative(V.One, bb)
                + form.Ragged * wave;
            cover *= (V.One - Soft.Unit(window * (0.5f * form.WindowHalfWidth) * perPixel + half)) * form.Cover;
        }

        var depth = Vector.SquareRoot(Vector.MaxNative(new V(0.03f), q));
        var ny = 0.9f * up + 0.15f * along;
        var lambert = Soft.Unit((0.9f * u * light.X + ny * light.Y + depth * light.Z) * 0.95f);
        var strand = Soft.Wave(u * (V.One - 0.35f * up) * 4.1f + 0.7f * warp) - half;
        var gleam = lambert * lambert;
        gleam *= gleam;
        shade = Soft.Unit(
            new V(0.8f * ambient)
                + (0.62f - 0.5f * ambient) * lambert
                + 0.32f * gleam * gleam
                + (0.1f * (1 - form.Curl)) * strand
                + 0.2f * form.Curl * wave
                - 0.2f * along
        );
        if (!front)
            shade *= 0.55f;
    }
}

/// <summary>The measures of the hair, in the head's frame.</summary>
internal readonly record struct HairForm(
    float CenterX,
    float CenterY,
    float HalfWidth,
    float Height,
    float End,
    float Flare,
    float Taper,
    float Curl,
    float Frequency,
    float Phase,
    float WindowX,
    float WindowY,
    float WindowHalfWidth,
    float WindowRise,
    float WindowSquare,
    float PartSlope,
    float Ragged,
    float Cover
);

/// <summary>The crown of a hat: an ellipse cut off by the curve of its edge.</summary>
internal readonly struct Crown(
    float x,
    float edge,
    float bend,
    float halfWidth,
    float height,
    float opacity,
    float ribs,
    Vector3 light,
    float ambient,
    float pixel
) : ILayer
{
    private readonly float perPixel = 1 / pixel,
        perWidth = 1 / halfWidth,
        perHeight = 1 / height;

    public Box Box =>
        new(x - halfWidth - pixel, edge - height - pixel, x + halfWidth + pixel, edge + MathF.Abs(bend) + pixel);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void At(int i, V px, V py, out V cover, out V shade)
    {
        V u = (px - new V(x)) * perWidth,
            v = (py - new V(edge)) * perHeight,
            half = new(0.5f);
        var uu = u * u;
        var above = Vector.MinNative(V.Zero, v);
        var inside =
            V.One - uu - above * above + 0.5f * Vector.MinNative(V.One, uu) * Vector.MinNative(V.One, above * above);
        cover =
            opacity
            * Soft.Unit(inside * (0.5f * halfWidth) * perPixel + half)
            * Soft.Unit((bend * uu - v * height) * perPixel + half);
        var depth = Vector.SquareRoot(Vector.MaxNative(new V(0.05f), inside));
        var lambert = Soft.Unit(0.9f * u * light.X + 0.8f * above * light.Y + depth * light.Z);
        shade = Soft.Unit(new V(ambient) + (0.95f - ambient) * lambert - ribs * Soft.Wave(u * 4.5f));
    }
}
