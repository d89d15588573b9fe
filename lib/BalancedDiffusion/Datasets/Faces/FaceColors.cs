using System.Numerics;

namespace BalancedDiffusion.Datasets.Faces;

/// <summary>The colours of a face's parts under full light, each channel in [0, 1].</summary>
internal static class FaceColors
{
    public static readonly Vector3 GreyHair = new(0.86f, 0.86f, 0.87f);
    public static readonly Vector3 EyeWhite = new(0.93f, 0.92f, 0.9f);
    public static readonly Vector3 MouthInside = new(0.2f, 0.05f, 0.05f);
    public static readonly Vector3 Teeth = new(0.93f, 0.91f, 0.88f);

    /// <summary>The sky in a pane of glass.</summary>
    public static readonly Vector3 Reflection = new(0.9f, 0.93f, 0.97f);

    /// <summary>Bare lips take the skin's colour; with lipstick they turn dark red.</summary>
    public static Vector3 Lips(Vector3 skin, float lipstick)
    {
        var bare = new Vector3(skin.X * 0.72f, skin.Y * 0.45f, skin.Z * 0.42f);
        var red = new Vector3(0.5f, 0.05f, 0.1f);
        return Vector3.Lerp(bare, red, 0.85f * lipstick);
    }

    /// <summary>From dark over middle to pale skin; warmth makes it ruddy.</summary>
    public static Vector3 Skin(float tone, float warmth)
    {
        Vector3 dark = new(0.44f, 0.28f, 0.2f),
            middle = new(0.86f, 0.64f, 0.5f),
            pale = new(1f, 0.91f, 0.83f);
        var color = Between(dark, middle, pale, tone);
        Vector3 cool = new(0.95f, 1f, 1f),
            ruddy = new(1f, 0.93f, 0.87f);
        return color * Vector3.Lerp(cool, ruddy, warmth);
    }

    /// <summary>From black over brown to blond hair; red tinges it.</summary>
    public static Vector3 Hair(float tone, float red)
    {
        Vector3 black = new(0.14f, 0.12f, 0.12f),
            brown = new(0.48f, 0.33f, 0.22f),
            blond = new(0.98f, 0.86f, 0.6f);
        var color = Between(black, brown, blond, tone);
        Vector3 ash = new(0.95f, 1f, 1f),
            ginger = new(1f, 0.68f, 0.5f);
        return color * Vector3.Lerp(ash, ginger, red);
    }

    /// <summary>How much of the hair's colour age has turned to grey, in [0, 0.92].</summary>
    public static float Greyness(float age)
    {
        const float greyFrom = 0.45f,
            greyAt = 0.95f,
            mostGrey = 0.92f;
        return mostGrey * Soft.Step(age, greyFrom, greyAt);
    }

    /// <summary>The hair's colour, greyed by age.</summary>
    public static Vector3 DrawnHair(FaceFactors f) =>
        Vector3.Lerp(Hair(f.HairTone, f.HairRed), GreyHair, Greyness(f.Age));

    /// <summary>From brown over green to blue eyes.</summary>
    public static Vector3 Iris(float tone)
    {
        Vector3 brown = new(0.16f, 0.09f, 0.05f),
            green = new(0.3f, 0.36f, 0.24f),
            blue = new(0.45f, 0.6f, 0.74f);
        return Between(brown, green, blue, tone);
    }

    /// <summary>The first colour at 0, the middle one at 1/2, the last one at 1.</summary>
    private static Vector3 Between(Vector3 first, Vector3 middle, Vector3 last, float tone) =>
        tone < 0.5f ? Vector3.Lerp(first, middle, 2 * tone) : Vector3.Lerp(middle, last, 2 * tone - 1);

    /// <summary>A colour of this hue, lightest channel 1; saturation 0 is white.</summary>
    public static Vector3 Hue(float hue, float saturation)
    {
        var h = 6 * (hue - MathF.Floor(hue));
        var pure = new Vector3(
            Math.Clamp(MathF.Abs(h - 3) - 1, 0f, 1f),
            Math.Clamp(2 - MathF.Abs(h - 2), 0f, 1f),
            Math.Clamp(2 - MathF.Abs(h - 4), 0f, 1f)
        );
        return Vector3.Lerp(Vector3.One, pure, saturation);
    }
}
