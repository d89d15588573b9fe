using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Datasets.Faces;

/// <summary>
/// The distribution of faces: p_gt of the paper, known exactly. Factors are independent of one another unless
/// said here. U(a, b) is uniform; T(c) is c times the sum of two independent U(-1/2, 1/2), a triangle on [-c, c].
/// <list type="bullet">
/// <item>Yaw T(1); Pitch T(0.9); Tilt T(0.8); ShiftX, ShiftY T(1); Scale U(0.9, 1.1).</item>
/// <item>FaceWidth, Jaw, EyeSize, EyeSpacing, BrowWeight, NoseSize, MouthWidth, LipFullness, SkinTone, SkinWarmth,
/// EyeTone, HairTone, BackgroundTone, BackgroundHue, BackgroundAngle, ClothesTone, ClothesHue, HatBrim, HatTone and
/// Age: U(0, 1); Part, GazeX, GazeY, LightX, BackgroundGradient: U(-1, 1); LightY U(-1, 0.5); LightStrength U(0.2, 1);
/// Smile U(-0.6, 1); HairRed is the square of a U(0, 1).</item>
/// <item>A hair style is drawn: bald 0.08, short 0.34, fringe 0.16, long 0.28, curly 0.14. Given the style, HairCover,
/// HairLength, HairVolume, Fringe and Curl are independent and uniform in the box of that style; the boxes are
/// disjoint: bald [0, 0.25] × [0, 0.15] × [0, 0.2] × [0, 0.4] × [0, 0.3]; short [0.65, 1] × [0, 0.3] × [0.2, 0.9]
/// × [0, 0.4] × [0, 0.3]; fringe [0.65, 1] × [0.1, 0.45] × [0.2, 0.9] × [0.65, 1] × [0, 0.3]; long [0.65, 1] ×
/// [0.55, 1] × [0.2, 0.9] × [0, 1] × [0, 1]; curly [0.65, 1] × [0.1, 0.45] × [0.4, 1] × [0, 0.4] × [0.65,
/// 1].</item>
/// <item>A beard with probability 0.34 (0.04 given long hair): then Beard U(0.25, 1), else 0. A moustache with
/// probability 0.28 (0.03 given long hair), independent of the beard given the style: then Moustache U(0.3, 1), else 0.
/// Lipstick with probability 0.1 (0.6 given long hair): then LipColor U(0.3, 1), else U(0, 0.1).</item>
/// <item>A hat with probability 0.12: then Hat U(0.5, 1), else 0. Glasses with probability 0.22: then Glasses U(0.5,
/// 1), else 0; GlassesTint is U(0.7, 1) with probability 0.25, else U(0, 0.15). An open mouth with probability 0.35:
/// then MouthOpen U(0.15, 1), else 0.</item>
/// </list>
/// </summary>
public static class FaceDistribution
{
    /// <summary>The probability of a hat.</summary>
    public const double HatProbability = 0.12;

    /// <summary>The probability of glasses.</summary>
    public const double GlassesProbability = 0.22;

    /// <summary>The probability that the glass is dark (drawn for every face, seen only with glasses).</summary>
    public const double DarkGlassProbability = 0.25;

    /// <summary>The probability of an open mouth.</summary>
    public const double OpenMouthProbability = 0.35;

    /// <summary>The probability of a bald head.</summary>
    public const double BaldProbability = 0.08;

    /// <summary>The probability of short hair.</summary>
    public const double ShortProbability = 0.34;

    /// <summary>The probability of hair with a fringe.</summary>
    public const double FringeProbability = 0.16;

    /// <summary>The probability of long hair. All other hair is curly.</summary>
    public const double LongProbability = 0.28;

    /// <summary>The probability of a beard where the hair is not long.</summary>
    public const double BeardProbability = 0.34;

    /// <summary>The probability of a beard where the hair is long.</summary>
    public const double BeardGivenLongProbability = 0.04;

    /// <summary>The probability of a moustache where the hair is not long.</summary>
    public const double MoustacheProbability = 0.28;

    /// <summary>The probability of a moustache where the hair is long.</summary>
    public const double MoustacheGivenLongProbability = 0.03;

    /// <summary>The probability of lipstick where the hair is not long.</summary>
    public const double LipstickProbability = 0.1;

    /// <summary>The probability of lipstick where the hair is long.</summary>
    public const double LipstickGivenLongProbability = 0.6;

    /// <summary>
    /// Draws the factors of the face with this index. A pure function of its arguments, the same on every machine: only
    /// integer hashing (<see cref="Seeds.Derive(long, long)"/>) and exactly rounded arithmetic. Faces of different
    /// indices are independent draws of the distribution.
    /// </summary>
    /// <param name="seed">Any number; another seed is another endless sequence of faces.</param>
    /// <param name="index">Any number; the place in that sequence.</param>
    public static FaceFactors Draw(long seed, long index)
    {
        var u = new Draws(Seeds.Derive(Seeds.Derive(seed, "faces"), index));
        var style = u.Next();
        var bald = style < BaldProbability;
        var brief = !bald && style < BaldProbability + ShortProbability;
        var fringe = !bald && !brief && style < BaldProbability + ShortProbability + FringeProbability;
        var lengthy =
            !bald
            && !brief
            && !fringe
            && style < BaldProbability + ShortProbability + FringeProbability + LongProbability;
        var curly = !bald && !brief && !fringe && !lengthy;
        return new FaceFactors
        {
            Yaw = u.Triangle(1f),
            Pitch = u.Triangle(0.9f),
            Tilt = u.Triangle(0.8f),
            ShiftX = u.Triangle(1f),
            ShiftY = u.Triangle(1f),
            Scale = u.Between(0.9f, 1.1f),
            FaceWidth = u.Next(),
            Jaw = u.Next(),
            EyeSize = u.Next(),
            EyeSpacing = u.Next(),
            BrowWeight = u.Next(),
            NoseSize = u.Next(),
            MouthWidth = u.Next(),
            LipFullness = u.Next(),
            LipColor = u.Sometimes(lengthy ? LipstickGivenLongProbability : LipstickProbability, 0.3f, 1f, 0f, 0.1f),
            SkinTone = u.Next(),
            SkinWarmth = u.Next(),
            EyeTone = u.Next(),
            HairTone = u.Next(),
            HairRed = u.Square(),
            HairCover = bald ? u.Between(0f, 0.25f) : u.Between(0.65f, 1f),
            HairLength =
                bald ? u.Between(0f, 0.15f)
                : lengthy ? u.Between(0.55f, 1f)
                : brief ? u.Between(0f, 0.3f)
                : u.Between(0.1f, 0.45f),
            HairVolume =
                bald ? u.Between(0f, 0.2f)
                : curly ? u.Between(0.4f, 1f)
                : u.Between(0.2f, 0.9f),
            Fringe =
                fringe ? u.Between(0.65f, 1f)
                : lengthy ? u.Next()
                : u.Between(0f, 0.4f),
            Part = u.Between(-1f, 1f),
            Curl =
                curly ? u.Between(0.65f, 1f)
                : lengthy ? u.Next()
                : u.Between(0f, 0.3f),
            Beard = u.Sometimes(lengthy ? BeardGivenLongProbability : BeardProbability, 0.25f, 1f, 0f, 0f),
            Moustache = u.Sometimes(lengthy ? MoustacheGivenLongProbability : MoustacheProbability, 0.3f, 1f, 0f, 0f),
            Hat = u.Sometimes(HatProbability, 0.5f, 1f, 0f, 0f),
            HatBrim = u.Next(),
            HatTone = u.Next(),
            Glasses = u.Sometimes(GlassesProbability, 0.5f, 1f, 0f, 0f),
            GlassesTint = u.Sometimes(DarkGlassProbability, 0.7f, 1f, 0f, 0.15f),
            Smile = u.Between(-0.6f, 1f),
            MouthOpen = u.Sometimes(OpenMouthProbability, 0.15f, 1f, 0f, 0f),
            GazeX = u.Between(-1f, 1f),
            GazeY = u.Between(-1f, 1f),
            LightX = u.Between(-1f, 1f),
            LightY = u.Between(-1f, 0.5f),
            LightStrength = u.Between(0.2f, 1f),
            BackgroundTone = u.Next(),
            BackgroundGradient = u.Between(-1f, 1f),
            BackgroundAngle = u.Next(),
            BackgroundHue = u.Next(),
            ClothesTone = u.Next(),
            ClothesHue = u.Next(),
            Age = u.Next(),
        };
    }

    /// <summary>A stream of uniform draws on a grid of 2^24 points, made from one seed.</summary>
    private struct Draws(long seed)
    {
        private long place;

        public float Next() => (Seeds.Derive(seed, place++) >> 39) * (1f / (1 << 24));

        public float Between(float least, float most) => Math.Clamp(least + (most - least) * Next(), least, most);

        public float Triangle(float half) => half * (Next() - 0.5f + (Next() - 0.5f));

        public float Square()
        {
            var u = Next();
            return u * u;
        }

        public float Sometimes(double probability, float least, float most, float elseLeast, float elseMost)
        {
            var happens = Next() < probability;
            return happens ? Between(least, most) : Between(elseLeast, elseMost);
        }
    }
}
