using System.Runtime.CompilerServices;

namespace BalancedDiffusion.Datasets.Faces;

/// <summary>
/// The named factors that a face is rendered from. Each has a known range (<see cref="All"/>) and a neutral default; a
/// value outside its range, or NaN, is refused. Immutable: <c>factors with { Age = 0.9f }</c> or <see cref="With"/>
/// make changed copies.
/// </summary>
public sealed record FaceFactors
{
    /// <summary>Every factor with its range and meaning, in a fixed order, as the attributes of the properties below
    /// state them.</summary>
    public static IReadOnlyList<FaceFactor> All => FaceFactorTable.All;

    /// <summary>The names of the factors, in the order of <see cref="All"/>.</summary>
    public static IReadOnlyList<string> Names { get; } = Array.AsReadOnly(All.Select(factor => factor.Name).ToArray());

    /// <summary>Turn of the head: -1 is 35 degrees to the picture's left, 1 as far to the right. In [-1, 1].</summary>
    [Factor(-1, 1, "turn of the head: -1 is 35 degrees to the picture's left, 1 as far to the right")]
    public float Yaw
    {
        get;
        init => field = Within(value);
    }

    /// <summary>Nod of the head: -1 is 18 degrees up, 1 as far down. In [-1, 1].</summary>
    [Factor(-1, 1, "nod of the head: -1 is 18 degrees up, 1 as far down")]
    public float Pitch
    {
        get;
        init => field = Within(value);
    }

    /// <summary>Roll of the head in the picture's plane: -1 is 16 degrees to the left, 1 as far to the right. In [-1,
    /// 1].</summary>
    [Factor(-1, 1, "roll of the head in the picture's plane: -1 is 16 degrees to the left, 1 as far to the right")]
    public float Tilt
    {
        get;
        init => field = Within(value);
    }

    /// <summary>Place of the head: -1 is 6 % of the picture's width to the left, 1 as far to the right. In [-1,
    /// 1].</summary>
    [Factor(-1, 1, "place of the head: -1 is 6 % of the picture's width to the left, 1 as far to the right")]
    public float ShiftX
    {
        get;
        init => field = Within(value);
    }

    /// <summary>Place of the head: -1 is 5 % of the picture's height up, 1 as far down. In [-1, 1].</summary>
    [Factor(-1, 1, "place of the head: -1 is 5 % of the picture's height up, 1 as far down")]
    public float ShiftY
    {
        get;
        init => field = Within(value);
    }

    /// <summary>Size of the head relative to the usual. In [0.85, 1.15].</summary>
    [Factor(0.85f, 1.15f, "size of the head relative to the usual")]
    public float Scale
    {
        get;
        init => field = Within(value);
    } = 1;

    /// <summary>0 is a narrow face, 1 a wide one. In [0, 1].</summary>
    [Factor(0, 1, "0 is a narrow face, 1 a wide one")]
    public float FaceWidth
    {
        get;
        init => field = Within(value);
    } = 0.5f;

    /// <summary>0 is a pointed chin, 1 a square jaw. In [0, 1].</summary>
    [Factor(0, 1, "0 is a pointed chin, 1 a square jaw")]
    public float Jaw
    {
        get;
        init => field = Within(value);
    } = 0.5f;

    /// <summary>0 is small eyes, 1 large ones. In [0, 1].</summary>
    [Factor(0, 1, "0 is small eyes, 1 large ones")]
    public float EyeSize
    {
        get;
        init => field = Within(value);
    } = 0.5f;

    /// <summary>0 is eyes close together, 1 far apart. In [0, 1].</summary>
    [Factor(0, 1, "0 is eyes close together, 1 far apart")]
    public float EyeSpacing
    {
        get;
        init => field = Within(value);
    } = 0.5f;

    /// <summary>0 is thin brows, 1 thick ones. In [0, 1].</summary>
    [Factor(0, 1, "0 is thin brows, 1 thick ones")]
    public float BrowWeight
    {
        get;
        init => field = Within(value);
    } = 0.5f;

    /// <summary>0 is a small nose, 1 a large one. In [0, 1].</summary>
    [Factor(0, 1, "0 is a small nose, 1 a large one")]
    public float NoseSize
    {
        get;
        init => field = Within(value);
    } = 0.5f;

    /// <summary>0 is a small mouth, 1 a wide one. In [0, 1].</summary>
    [Factor(0, 1, "0 is a small mouth, 1 a wide one")]
    public float MouthWidth
    {
        get;
        init => field = Within(value);
    } = 0.5f;

    /// <summary>0 is thin lips, 1 full ones. In [0, 1].</summary>
    [Factor(0, 1, "0 is thin lips, 1 full ones")]
    public float LipFullness
    {
        get;
        init => field = Within(value);
    } = 0.5f;

    /// <summary>0 is bare lips, 1 dark lipstick. In [0, 1].</summary>
    [Factor(0, 1, "0 is bare lips, 1 dark lipstick")]
    public float LipColor
    {
        get;
        init => field = Within(value);
    }

    /// <summary>0 is dark skin, 1 light skin. In [0, 1].</summary>
    [Factor(0, 1, "0 is dark skin, 1 light skin")]
    public float SkinTone
    {
        get;
        init => field = Within(value);
    } = 0.7f;

    /// <summary>0 is pale skin, 1 ruddy skin (the cheeks most). In [0, 1].</summary>
    [Factor(0, 1, "0 is pale skin, 1 ruddy skin (the cheeks most)")]
    public float SkinWarmth
    {
        get;
        init => field = Within(value);
    } = 0.5f;

    /// <summary>0 is dark brown irises, 1 light blue ones. In [0, 1].</summary>
    [Factor(0, 1, "0 is dark brown irises, 1 light blue ones")]
    public float EyeTone
    {
        get;
        init => field = Within(value);
    } = 0.3f;

    /// <summary>0 is black hair, 1 light blond. In [0, 1].</summary>
    [Factor(0, 1, "0 is black hair, 1 light blond")]
    public float HairTone
    {
        get;
        init => field = Within(value);
    } = 0.25f;

    /// <summary>0 is ash hair, 1 red hair. In [0, 1].</summary>
    [Factor(0, 1, "0 is ash hair, 1 red hair")]
    public float HairRed
    {
        get;
        init => field = Within(value);
    } = 0.3f;

    /// <summary>How much of the scalp bears hair: 0 is bald, 1 a full head. In [0, 1].</summary>
    [Factor(0, 1, "how much of the scalp bears hair: 0 is bald, 1 a full head")]
    public float HairCover
    {
        get;
        init => field = Within(value);
    } = 0.9f;

    /// <summary>0 is cropped, 0.5 to the chin, 1 past the shoulders. In [0, 1].</summary>
    [Factor(0, 1, "0 is cropped, 0.5 to the chin, 1 past the shoulders")]
    public float HairLength
    {
        get;
        init => field = Within(value);
    } = 0.2f;

    /// <summary>0 lies flat, 1 stands far off the head. In [0, 1].</summary>
    [Factor(0, 1, "0 lies flat, 1 stands far off the head")]
    public float HairVolume
    {
        get;
        init => field = Within(value);
    } = 0.4f;

    /// <summary>0 is a free forehead, 1 a fringe down to the brows. In [0, 1].</summary>
    [Factor(0, 1, "0 is a free forehead, 1 a fringe down to the brows")]
    public float Fringe
    {
        get;
        init => field = Within(value);
    } = 0.1f;

    /// <summary>Where the hair is parted: -1 on the picture's left, 1 on its right. In [-1, 1].</summary>
    [Factor(-1, 1, "where the hair is parted: -1 on the picture's left, 1 on its right")]
    public float Part
    {
        get;
        init => field = Within(value);
    }

    /// <summary>0 is straight hair, 1 curly. In [0, 1].</summary>
    [Factor(0, 1, "0 is straight hair, 1 curly")]
    public float Curl
    {
        get;
        init => field = Within(value);
    } = 0.1f;

    /// <summary>Density of the beard on cheeks and chin: 0 is none. In [0, 1].</summary>
    [Factor(0, 1, "density of the beard on cheeks and chin: 0 is none")]
    public float Beard
    {
        get;
        init => field = Within(value);
    }

    /// <summary>Density of the moustache: 0 is none. In [0, 1].</summary>
    [Factor(0, 1, "density of the moustache: 0 is none")]
    public float Moustache
    {
        get;
        init => field = Within(value);
    }

    /// <summary>0 is none; up to 0.5 it fades in, from there on it is pulled lower. In [0, 1].</summary>
    [Factor(0, 1, "0 is none; up to 0.5 it fades in, from there on it is pulled lower")]
    public float Hat
    {
        get;
        init => field = Within(value);
    }

    /// <summary>0 is a knitted cap, 1 a wide brim (seen only under a hat). In [0, 1].</summary>
    [Factor(0, 1, "0 is a knitted cap, 1 a wide brim (seen only under a hat)")]
    public float HatBrim
    {
        get;
        init => field = Within(value);
    } = 0.4f;

    /// <summary>0 is a dark hat, 1 a light one (seen only with a hat). In [0, 1].</summary>
    [Factor(0, 1, "0 is a dark hat, 1 a light one (seen only with a hat)")]
    public float HatTone
    {
        get;
        init => field = Within(value);
    } = 0.4f;

    /// <summary>0 is none; up to 0.5 they fade in, from there on the frame grows heavier. In [0, 1].</summary>
    [Factor(0, 1, "0 is none; up to 0.5 they fade in, from there on the frame grows heavier")]
    public float Glasses
    {
        get;
        init => field = Within(value);
    }

    /// <summary>0 is clear glass, 1 black sunglasses (seen only with glasses). In [0, 1].</summary>
    [Factor(0, 1, "0 is clear glass, 1 black sunglasses (seen only with glasses)")]
    public float GlassesTint
    {
        get;
        init => field = Within(value);
    }

    /// <summary>-1 is corners of the mouth drawn down, 1 a broad smile. In [-1, 1].</summary>
    [Factor(-1, 1, "-1 is corners of the mouth drawn down, 1 a broad smile")]
    public float Smile
    {
        get;
        init => field = Within(value);
    } = 0.2f;

    /// <summary>0 is a closed mouth, 1 an open one that shows teeth. In [0, 1].</summary>
    [Factor(0, 1, "0 is a closed mouth, 1 an open one that shows teeth")]
    public float MouthOpen
    {
        get;
        init => field = Within(value);
    }

    /// <summary>Where the eyes look: -1 to the picture's left, 1 to its right. In [-1, 1].</summary>
    [Factor(-1, 1, "where the eyes look: -1 to the picture's left, 1 to its right")]
    public float GazeX
    {
        get;
        init => field = Within(value);
    }

    /// <summary>Where the eyes look: -1 up, 1 down. In [-1, 1].</summary>
    [Factor(-1, 1, "where the eyes look: -1 up, 1 down")]
    public float GazeY
    {
        get;
        init => field = Within(value);
    }

    /// <summary>Where the light comes from: -1 from the picture's left, 1 from its right. In [-1, 1].</summary>
    [Factor(-1, 1, "where the light comes from: -1 from the picture's left, 1 from its right")]
    public float LightX
    {
        get;
        init => field = Within(value);
    } = -0.4f;

    /// <summary>Where the light comes from: -1 from above, 1 from below. In [-1, 1].</summary>
    [Factor(-1, 1, "where the light comes from: -1 from above, 1 from below")]
    public float LightY
    {
        get;
        init => field = Within(value);
    } = -0.4f;

    /// <summary>0 is even light, 1 one hard lamp in a dark room. In [0, 1].</summary>
    [Factor(0, 1, "0 is even light, 1 one hard lamp in a dark room")]
    public float LightStrength
    {
        get;
        init => field = Within(value);
    } = 0.5f;

    /// <summary>0 is a black background, 1 a white one. In [0, 1].</summary>
    [Factor(0, 1, "0 is a black background, 1 a white one")]
    public float BackgroundTone
    {
        get;
        init => field = Within(value);
    } = 0.5f;

    /// <summary>How much the background changes across the picture; the sign turns it round. In [-1, 1].</summary>
    [Factor(-1, 1, "how much the background changes across the picture; the sign turns it round")]
    public float BackgroundGradient
    {
        get;
        init => field = Within(value);
    }

    /// <summary>Direction of that change in half turns: 0 left to right, 0.5 top to bottom. In [0, 1].</summary>
    [Factor(0, 1, "direction of that change in half turns: 0 left to right, 0.5 top to bottom")]
    public float BackgroundAngle
    {
        get;
        init => field = Within(value);
    } = 0.5f;

    /// <summary>Hue of the background around the colour circle. In [0, 1].</summary>
    [Factor(0, 1, "hue of the background around the colour circle")]
    public float BackgroundHue
    {
        get;
        init => field = Within(value);
    } = 0.6f;

    /// <summary>0 is dark clothes, 1 light ones. In [0, 1].</summary>
    [Factor(0, 1, "0 is dark clothes, 1 light ones")]
    public float ClothesTone
    {
        get;
        init => field = Within(value);
    } = 0.4f;

    /// <summary>Hue of clothes and, opposite on the colour circle, of the hat. In [0, 1].</summary>
    [Factor(0, 1, "hue of clothes and, opposite on the colour circle, of the hat")]
    public float ClothesHue
    {
        get;
        init => field = Within(value);
    } = 0.6f;

    /// <summary>0 is young, 1 very old: wrinkles, grey and receding hair, sagging cheeks and lids. In [0, 1].</summary>
    [Factor(0, 1, "0 is young, 1 very old: wrinkles, grey and receding hair, sagging cheeks and lids")]
    public float Age
    {
        get;
        init => field = Within(value);
    } = 0.3f;

    /// <summary>The value of the factor with this name (upper and lower case are the same).</summary>
    /// <exception cref="ArgumentException">No factor has this name.</exception>
    public float this[string name] => At(Index(name));

    /// <summary>The value of the factor with this place in <see cref="All"/>.</summary>
    internal float At(int index) => FaceFactorTable.Get(this, index);

    /// <summary>A copy in which the factor with this name has this value.</summary>
    /// <exception cref="ArgumentException">No factor has this name.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The value is NaN or outside the factor's range.</exception>
    public FaceFactors With(string name, float value)
    {
        var changed = this with { };
        FaceFactorTable.Set(changed, Index(name), value);
        return changed;
    }

    private static int Index(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        for (var i = 0; i < Names.Count; i++)
            if (string.Equals(Names[i], name, StringComparison.OrdinalIgnoreCase))
                return i;
        throw new ArgumentException(
            $"a face has no factor '{name}'; the nearest are "
                + $"{string.Join(", ", Names.OrderByDescending(known => Likeness(known, name)).Take(3))}, and "
                + $"FaceFactors.Names lists all {Names.Count}",
            nameof(name)
        );
    }

    // Twice the neighbouring letters that two names share, over all they have: 1 for equal names.
    private static double Likeness(string a, string b)
    {
        var (left, right) = (Pairs(a), Pairs(b));
        return 2.0 * left.Intersect(right).Count() / (left.Length + right.Length + 1e-9);

        static string[] Pairs(string text) =>
            [
                .. Enumerable
                    .Range(0, Math.Max(0, text.Length - 1))
                    .Select(i => text.Substring(i, 2).ToLowerInvariant())
                    .Distinct(),
            ];
    }

    private static float Within(float value, [CallerMemberName] string name = "") =>
        FaceFactorTable.Within(name, value);
}
