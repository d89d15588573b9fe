namespace BalancedDiffusion.Datasets.Faces;

/// <summary>
/// The named factors that a face is rendered from. Each has a known range (<see cref="All"/>) and a neutral default; a
/// value outside its range, or NaN, is refused. Immutable: <c>factors with { Age = 0.9f }</c> or <see cref="With"/>
/// make changed copies.
/// </summary>
public sealed record FaceFactors
{
    /// <summary>Every factor with its range and meaning, in a fixed order.</summary>
    public static IReadOnlyList<FaceFactor> All { get; } =
        Array.AsReadOnly<FaceFactor>([
            new(nameof(Yaw), -1, 1, "turn of the head: -1 is 35 degrees to the picture's left, 1 as far to the right"),
            new(nameof(Pitch), -1, 1, "nod of the head: -1 is 18 degrees up, 1 as far down"),
            new(
                nameof(Tilt),
                -1,
                1,
                "roll of the head in the picture's plane: -1 is 16 degrees to the left, 1 as far to the right"
            ),
            new(
                nameof(ShiftX),
                -1,
                1,
                "place of the head: -1 is 6 % of the picture's width to the left, 1 as far to the right"
            ),
            new(nameof(ShiftY), -1, 1, "place of the head: -1 is 5 % of the picture's height up, 1 as far down"),
            new(nameof(Scale), 0.85f, 1.15f, "size of the head relative to the usual"),
            new(nameof(FaceWidth), 0, 1, "0 is a narrow face, 1 a wide one"),
            new(nameof(Jaw), 0, 1, "0 is a pointed chin, 1 a square jaw"),
            new(nameof(EyeSize), 0, 1, "0 is small eyes, 1 large ones"),
            new(nameof(EyeSpacing), 0, 1, "0 is eyes close together, 1 far apart"),
            new(nameof(BrowWeight), 0, 1, "0 is thin brows, 1 thick ones"),
            new(nameof(NoseSize), 0, 1, "0 is a small nose, 1 a large one"),
            new(nameof(MouthWidth), 0, 1, "0 is a small mouth, 1 a wide one"),
            new(nameof(LipFullness), 0, 1, "0 is thin lips, 1 full ones"),
            new(nameof(LipColor), 0, 1, "0 is bare lips, 1 dark lipstick"),
            new(nameof(SkinTone), 0, 1, "0 is dark skin, 1 light skin"),
            new(nameof(SkinWarmth), 0, 1, "0 is pale skin, 1 ruddy skin (the cheeks most)"),
            new(nameof(EyeTone), 0, 1, "0 is dark brown irises, 1 light blue ones"),
            new(nameof(HairTone), 0, 1, "0 is black hair, 1 light blond"),
            new(nameof(HairRed), 0, 1, "0 is ash hair, 1 red hair"),
            new(nameof(HairCover), 0, 1, "how much of the scalp bears hair: 0 is bald, 1 a full head"),
            new(nameof(HairLength), 0, 1, "0 is cropped, 0.5 to the chin, 1 past the shoulders"),
            new(nameof(HairVolume), 0, 1, "0 lies flat, 1 stands far off the head"),
            new(nameof(Fringe), 0, 1, "0 is a free forehead, 1 a fringe down to the brows"),
            new(nameof(Part), -1, 1, "where the hair is parted: -1 on the picture's left, 1 on its right"),
            new(nameof(Curl), 0, 1, "0 is straight hair, 1 curly"),
            new(nameof(Beard), 0, 1, "density of the beard on cheeks and chin: 0 is none"),
            new(nameof(Moustache), 0, 1, "density of the moustache: 0 is none"),
            new(nameof(Hat), 0, 1, "0 is none; up to 0.5 it fades in, from there on it is pulled lower"),
            new(nameof(HatBrim), 0, 1, "0 is a knitted cap, 1 a wide brim (seen only under a hat)"),
            new(nameof(HatTone), 0, 1, "0 is a dark hat, 1 a light one (seen only with a hat)"),
            new(nameof(Glasses), 0, 1, "0 is none; up to 0.5 they fade in, from there on the frame grows heavier"),
            new(nameof(GlassesTint), 0, 1, "0 is clear glass, 1 black sunglasses (seen only with glasses)"),
            new(nameof(Smile), -1, 1, "-1 is corners of the mouth drawn down, 1 a broad smile"),
            new(nameof(MouthOpen), 0, 1, "0 is a closed mouth, 1 an open one that shows teeth"),
            new(nameof(GazeX), -1, 1, "where the eyes look: -1 to the picture's left, 1 to its right"),
            new(nameof(GazeY), -1, 1, "where the eyes look: -1 up, 1 down"),
            new(nameof(LightX), -1, 1, "where the light comes from: -1 from the picture's left, 1 from its right"),
            new(nameof(LightY), -1, 1, "where the light comes from: -1 from above, 1 from below"),
            new(nameof(LightStrength), 0, 1, "0 is even light, 1 one hard lamp in a dark room"),
            new(nameof(BackgroundTone), 0, 1, "0 is a black background, 1 a white one"),
            new(
                nameof(BackgroundGradient),
                -1,
                1,
                "how much the background changes across the picture; the sign turns it round"
            ),
            new(
                nameof(BackgroundAngle),
                0,
                1,
                "direction of that change in half turns: 0 left to right, 0.5 top to bottom"
            ),
            new(nameof(BackgroundHue), 0, 1, "hue of the background around the colour circle"),
            new(nameof(ClothesTone), 0, 1, "0 is dark clothes, 1 light ones"),
            new(nameof(ClothesHue), 0, 1, "hue of clothes and, opposite on the colour circle, of the hat"),
            new(nameof(Age), 0, 1, "0 is young, 1 very old: wrinkles, grey and receding hair, sagging cheeks and lids"),
        ]);

    /// <summary>The names of the factors, in the order of <see cref="All"/>.</summary>
    public static IReadOnlyList<string> Names { get; } = Array.AsReadOnly(All.Select(factor => factor.Name).ToArray());

    /// <summary>Turn of the head: -1 is 35 degrees to the picture's left, 1 as far to the right. In [-1, 1].</summary>
    public float Yaw
    {
        get;
        init => field = Within(0, value);
    }

    /// <summary>Nod of the head: -1 is 18 degrees up, 1 as far down. In [-1, 1].</summary>
    public float Pitch
    {
        get;
        init => field = Within(1, value);
    }

    /// <summary>Roll of the head in the picture's plane: -1 is 16 degrees to the left, 1 as far to the right. In [-1,
    /// 1].</summary>
    public float Tilt
    {
        get;
        init => field = Within(2, value);
    }

    /// <summary>Place of the head: -1 is 6 % of the picture's width to the left, 1 as far to the right. In [-1,
    /// 1].</summary>
    public float ShiftX
    {
        get;
        init => field = Within(3, value);
    }

    /// <summary>Place of the head: -1 is 5 % of the picture's height up, 1 as far down. In [-1, 1].</summary>
    public float ShiftY
    {
        get;
        init => field = Within(4, value);
    }

    /// <summary>Size of the head relative to the usual. In [0.85, 1.15].</summary>
    public float Scale
    {
        get;
        init => field = Within(5, value);
    } = 1;

    /// <summary>0 is a narrow face, 1 a wide one. In [0, 1].</summary>
    public float FaceWidth
    {
        get;
        init => field = Within(6, value);
    } = 0.5f;

    /// <summary>0 is a pointed chin, 1 a square jaw. In [0, 1].</summary>
    public float Jaw
    {
        get;
        init => field = Within(7, value);
    } = 0.5f;

    /// <summary>0 is small eyes, 1 large ones. In [0, 1].</summary>
    public float EyeSize
    {
        get;
        init => field = Within(8, value);
    } = 0.5f;

    /// <summary>0 is eyes close together, 1 far apart. In [0, 1].</summary>
    public float EyeSpacing
    {
        get;
        init => field = Within(9, value);
    } = 0.5f;

    /// <summary>0 is thin brows, 1 thick ones. In [0, 1].</summary>
    public float BrowWeight
    {
        get;
        init => field = Within(10, value);
    } = 0.5f;

    /// <summary>0 is a small nose, 1 a large one. In [0, 1].</summary>
    public float NoseSize
    {
        get;
        init => field = Within(11, value);
    } = 0.5f;

    /// <summary>0 is a small mouth, 1 a wide one. In [0, 1].</summary>
    public float MouthWidth
    {
        get;
        init => field = Within(12, value);
    } = 0.5f;

    /// <summary>0 is thin lips, 1 full ones. In [0, 1].</summary>
    public float LipFullness
    {
        get;
        init => field = Within(13, value);
    } = 0.5f;

    /// <summary>0 is bare lips, 1 dark lipstick. In [0, 1].</summary>
    public float LipColor
    {
        get;
        init => field = Within(14, value);
    }

    /// <summary>0 is dark skin, 1 light skin. In [0, 1].</summary>
    public float SkinTone
    {
        get;
        init => field = Within(15, value);
    } = 0.7f;

    /// <summary>0 is pale skin, 1 ruddy skin (the cheeks most). In [0, 1].</summary>
    public float SkinWarmth
    {
        get;
        init => field = Within(16, value);
    } = 0.5f;

    /// <summary>0 is dark brown irises, 1 light blue ones. In [0, 1].</summary>
    public float EyeTone
    {
        get;
        init => field = Within(17, value);
    } = 0.3f;

    /// <summary>0 is black hair, 1 light blond. In [0, 1].</summary>
    public float HairTone
    {
        get;
        init => field = Within(18, value);
    } = 0.25f;

    /// <summary>0 is ash hair, 1 red hair. In [0, 1].</summary>
    public float HairRed
    {
        get;
        init => field = Within(19, value);
    } = 0.3f;

    /// <summary>How much of the scalp bears hair: 0 is bald, 1 a full head. In [0, 1].</summary>
    public float HairCover
    {
        get;
        init => field = Within(20, value);
    } = 0.9f;

    /// <summary>0 is cropped, 0.5 to the chin, 1 past the shoulders. In [0, 1].</summary>
    public float HairLength
    {
        get;
        init => field = Within(21, value);
    } = 0.2f;

    /// <summary>0 lies flat, 1 stands far off the head. In [0, 1].</summary>
    public float HairVolume
    {
        get;
        init => field = Within(22, value);
    } = 0.4f;

    /// <summary>0 is a free forehead, 1 a fringe down to the brows. In [0, 1].</summary>
    public float Fringe
    {
        get;
        init => field = Within(23, value);
    } = 0.1f;

    /// <summary>Where the hair is parted: -1 on the picture's left, 1 on its right. In [-1, 1].</summary>
    public float Part
    {
        get;
        init => field = Within(24, value);
    }

    /// <summary>0 is straight hair, 1 curly. In [0, 1].</summary>
    public float Curl
    {
        get;
        init => field = Within(25, value);
    } = 0.1f;

    /// <summary>Density of the beard on cheeks and chin: 0 is none. In [0, 1].</summary>
    public float Beard
    {
        get;
        init => field = Within(26, value);
    }

    /// <summary>Density of the moustache: 0 is none. In [0, 1].</summary>
    public float Moustache
    {
        get;
        init => field = Within(27, value);
    }

    /// <summary>0 is none; up to 0.5 it fades in, from there on it is pulled lower. In [0, 1].</summary>
    public float Hat
    {
        get;
        init => field = Within(28, value);
    }

    /// <summary>0 is a knitted cap, 1 a wide brim (seen only under a hat). In [0, 1].</summary>
    public float HatBrim
    {
        get;
        init => field = Within(29, value);
    } = 0.4f;

    /// <summary>0 is a dark hat, 1 a light one (seen only with a hat). In [0, 1].</summary>
    public float HatTone
    {
        get;
        init => field = Within(30, value);
    } = 0.4f;

    /// <summary>0 is none; up to 0.5 they fade in, from there on the frame grows heavier. In [0, 1].</summary>
    public float Glasses
    {
        get;
        init => field = Within(31, value);
    }

    /// <summary>0 is clear glass, 1 black sunglasses (seen only with glasses). In [0, 1].</summary>
    public float GlassesTint
    {
        get;
        init => field = Within(32, value);
    }

    /// <summary>-1 is corners of the mouth drawn down, 1 a broad smile. In [-1, 1].</summary>
    public float Smile
    {
        get;
        init => field = Within(33, value);
    } = 0.2f;

    /// <summary>0 is a closed mouth, 1 an open one that shows teeth. In [0, 1].</summary>
    public float MouthOpen
    {
        get;
        init => field = Within(34, value);
    }

    /// <summary>Where the eyes look: -1 to the picture's left, 1 to its right. In [-1, 1].</summary>
    public float GazeX
    {
        get;
        init => field = Within(35, value);
    }

    /// <summary>Where the eyes look: -1 up, 1 down. In [-1, 1].</summary>
    public float GazeY
    {
        get;
        init => field = Within(36, value);
    }

    /// <summary>Where the light comes from: -1 from the picture's left, 1 from its right. In [-1, 1].</summary>
    public float LightX
    {
        get;
        init => field = Within(37, value);
    } = -0.4f;

    /// <summary>Where the light comes from: -1 from above, 1 from below. In [-1, 1].</summary>
    public float LightY
    {
        get;
        init => field = Within(38, value);
    } = -0.4f;

    /// <summary>0 is even light, 1 one hard lamp in a dark room. In [0, 1].</summary>
    public float LightStrength
    {
        get;
        init => field = Within(39, value);
    } = 0.5f;

    /// <summary>0 is a black background, 1 a white one. In [0, 1].</summary>
    public float BackgroundTone
    {
        get;
        init => field = Within(40, value);
    } = 0.5f;

    /// <summary>How much the background changes across the picture; the sign turns it round. In [-1, 1].</summary>
    public float BackgroundGradient
    {
        get;
        init => field = Within(41, value);
    }

    /// <summary>Direction of that change in half turns: 0 left to right, 0.5 top to bottom. In [0, 1].</summary>
    public float BackgroundAngle
    {
        get;
        init => field = Within(42, value);
    } = 0.5f;

    /// <summary>Hue of the background around the colour circle. In [0, 1].</summary>
    public float BackgroundHue
    {
        get;
        init => field = Within(43, value);
    } = 0.6f;

    /// <summary>0 is dark clothes, 1 light ones. In [0, 1].</summary>
    public float ClothesTone
    {
        get;
        init => field = Within(44, value);
    } = 0.4f;

    /// <summary>Hue of clothes and, opposite on the colour circle, of the hat. In [0, 1].</summary>
    public float ClothesHue
    {
        get;
        init => field = Within(45, value);
    } = 0.6f;

    /// <summary>0 is young, 1 very old: wrinkles, grey and receding hair, sagging cheeks and lids. In [0, 1].</summary>
    public float Age
    {
        get;
        init => field = Within(46, value);
    } = 0.3f;

    /// <summary>The value of the factor with this name (upper and lower case are the same).</summary>
    /// <exception cref="ArgumentException">No factor has this name.</exception>
    public float this[string name] => At(Index(name));

    /// <summary>The value of the factor with this place in <see cref="All"/>.</summary>
    internal float At(int index) =>
        index switch
        {
            0 => Yaw,
            1 => Pitch,
            2 => Tilt,
            3 => ShiftX,
            4 => ShiftY,
            5 => Scale,
            6 => FaceWidth,
            7 => Jaw,
            8 => EyeSize,
            9 => EyeSpacing,
            10 => BrowWeight,
            11 => NoseSize,
            12 => MouthWidth,
            13 => LipFullness,
            14 => LipColor,
            15 => SkinTone,
            16 => SkinWarmth,
            17 => EyeTone,
            18 => HairTone,
            19 => HairRed,
            20 => HairCover,
            21 => HairLength,
            22 => HairVolume,
            23 => Fringe,
            24 => Part,
            25 => Curl,
            26 => Beard,
            27 => Moustache,
            28 => Hat,
            29 => HatBrim,
            30 => HatTone,
            31 => Glasses,
            32 => GlassesTint,
            33 => Smile,
            34 => MouthOpen,
            35 => GazeX,
            36 => GazeY,
            37 => LightX,
            38 => LightY,
            39 => LightStrength,
            40 => BackgroundTone,
            41 => BackgroundGradient,
            42 => BackgroundAngle,
            43 => BackgroundHue,
            44 => ClothesTone,
            45 => ClothesHue,
            _ => Age,
        };

    /// <summary>A copy in which the factor with this name has this value.</summary>
    /// <exception cref="ArgumentException">No factor has this name.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The value is NaN or outside the factor's range.</exception>
    public FaceFactors With(string name, float value) =>
        Index(name) switch
        {
            0 => this with { Yaw = value },
            1 => this with { Pitch = value },
            2 => this with { Tilt = value },
            3 => this with { ShiftX = value },
            4 => this with { ShiftY = value },
            5 => this with { Scale = value },
            6 => this with { FaceWidth = value },
            7 => this with { Jaw = value },
            8 => this with { EyeSize = value },
            9 => this with { EyeSpacing = value },
            10 => this with { BrowWeight = value },
            11 => this with { NoseSize = value },
            12 => this with { MouthWidth = value },
            13 => this with { LipFullness = value },
            14 => this with { LipColor = value },
            15 => this with { SkinTone = value },
            16 => this with { SkinWarmth = value },
            17 => this with { EyeTone = value },
            18 => this with { HairTone = value },
            19 => this with { HairRed = value },
            20 => this with { HairCover = value },
            21 => this with { HairLength = value },
            22 => this with { HairVolume = value },
            23 => this with { Fringe = value },
            24 => this with { Part = value },
            25 => this with { Curl = value },
            26 => this with { Beard = value },
            27 => this with { Moustache = value },
            28 => this with { Hat = value },
            29 => this with { HatBrim = value },
            30 => this with { HatTone = value },
            31 => this with { Glasses = value },
            32 => this with { GlassesTint = value },
            33 => this with { Smile = value },
            34 => this with { MouthOpen = value },
            35 => this with { GazeX = value },
            36 => this with { GazeY = value },
            37 => this with { LightX = value },
            38 => this with { LightY = value },
            39 => this with { LightStrength = value },
            40 => this with { BackgroundTone = value },
            41 => this with { BackgroundGradient = value },
            42 => this with { BackgroundAngle = value },
            43 => this with { BackgroundHue = value },
            44 => this with { ClothesTone = value },
            45 => this with { ClothesHue = value },
            _ => this with { Age = value },
        };

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

    private static float Within(int index, float value)
    {
        var factor = All[index];
        if (!(value >= factor.Min && value <= factor.Max))
            throw new ArgumentOutOfRangeException(
                factor.Name,
                $"{factor.Name} must be between {factor.Min} and {factor.Max}, was {value}"
            );
        return value;
    }
}
