using System.Numerics;
using System.Text.RegularExpressions;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Datasets.Faces;

/// <summary>
/// Captions of rendered faces: each names 2 to 5 of what <see cref="Visible"/> sees, in one of three forms (a phrase, a
/// sentence, a list) and several wordings. A plain word is taken half of the time, its synonyms share the rest. Where
/// fewer than two attributes are clear (one face in twenty), a clean-shaven face, a bare head or the third of the age
/// are named. A caption has at most <see cref="MostWords"/> words and signs, so that a tokenizer that knows its words
/// makes at most 24 tokens of it, start and end included.
/// </summary>
public static partial class FaceCaptions
{
    /// <summary>The most words and runs of signs of a caption.</summary>
    public const int MostWords = 22;

    private const int FewestNamed = 2,
        MostNamed = 5;

    private static readonly string[] Openings =
    [
        "portrait",
        "photo",
        "picture",
        "image",
        "drawing",
        "painting",
        "photograph",
        "sketch",
        "headshot",
        "snapshot",
        "illustration",
        "likeness",
        "depiction",
        "rendering",
        "study",
        "cartoon",
    ];

    private static readonly string[] Praise =
    [
        "simple",
        "small",
        "colourful",
        "digital",
        "beautiful",
        "detailed",
        "lovely",
        "charming",
        "famous",
        "modern",
        "quick",
        "vivid",
        "elegant",
        "peculiar",
        "ordinary",
        "splendid",
        "curious",
        "graceful",
        "mysterious",
        "honest",
    ];

    private static readonly string[] People =
    [
        "person",
        "face",
        "human",
        "character",
        "individual",
        "figure",
        "sitter",
        "stranger",
        "neighbour",
        "villager",
        "traveller",
        "musician",
    ];

    // Each meaning and the words for it; where two could be found, the first counts.
    private static readonly (string Word, Regex Pattern)[] Ages = Patterns(
        "",
        ("middle-aged", "middle-aged|midlife"),
        ("young", "young|youthful"),
        ("old", "old|elderly|aged|senior")
    );

    private static readonly (string Word, Regex Pattern)[] HairLengths = Patterns(
        "",
        ("bald", "bald|hairless"),
        ("short", "(?:short|cropped)(?: [a-z]+)? hair"),
        ("long", "(?:long|flowing)(?: [a-z]+)? hair")
    );

    private static readonly (string Word, Regex Pattern)[] HairColors = Patterns(
        " hair",
        ("black", "black"),
        ("brown", "brown|brunette"),
        ("blond", "blond|golden"),
        ("red", "red|ginger"),
        ("grey", "grey|silver")
    );

    private static readonly (string Word, Regex Pattern)[] HatColors = Patterns(
        " (?:hat|headgear)",
        [.. new[] { "black", "red", "pink", "yellow", "green", "blue", "purple" }.Select(color => (color, color))]
    );

    private static readonly (string Word, Regex Pattern)[] Eyewears = Patterns(
        "",
        ("sunglasses", "sunglasses|shades"),
        ("glasses", "glasses|spectacles|eyeglasses")
    );

    private static readonly (string Word, Regex Pattern)[] Expressions = Patterns(
        "",
        ("smiling", "smiling|smile|smiles|cheerful|happy"),
        ("serious", "serious|stern|solemn|unsmiling"),
        ("neutral", "neutral|calm|relaxed")
    );

    private static readonly (string Word, Regex Pattern)[] Backgrounds = Patterns(
        " (?:background|backdrop|wall|curtain|canvas)",
        ("dark", "dark|gloomy|dim"),
        ("light", "light|bright|pale"),
        ("pink", "pink|rose"),
        ("yellow", "yellow"),
        ("green", "green"),
        ("blue", "blue|azure"),
        ("purple", "purple|violet")
    );

    private static readonly Regex Shaven = Pattern("clean-shaven"),
        Bareheaded = Pattern("bareheaded"),
        Hats = Pattern("hat|headgear"),
        Beards = Pattern("beard|bearded"),
        Moustaches = Pattern("moustache|whiskers"),
        OpenMouths = Pattern("open mouth|parted lips");

    /// <summary>
    /// Everything about a face that can be seen and named; what lies near a border between two words is left out.
    /// <list type="bullet">
    /// <item>Age: young up to 0.27, middle-aged from 0.4 to 0.6, old from 0.73.</item>
    /// <item>Hair: bald (HairCover ≤ 0.2) and short (HairLength ≤ 0.25, HairCover ≥ 0.6) only without a hat; long
    /// from HairLength 0.6, which hangs out below a hat. The colour is that of the drawn hair, greyed by age, and is
    /// named with short or long hair, and with hair of no named length where there is no hat.</item>
    /// <item>Hat and eyewear from 0.5, where they are opaque; sunglasses from GlassesTint 0.7, glasses up to 0.15. A
    /// hat's colour by its hue and tone.</item>
    /// <item>Beard and moustache from 0.5, where the hair's luma is far enough from the skin's.</item>
    /// <item>Smiling from Smile 0.6; serious up to -0.1 and neutral from 0.1 to 0.4, both with a closed mouth; an open
    /// mouth from MouthOpen 0.5.</item>
    /// <item>Background: dark, light or, between the two, its colour, where it changes little across the
    /// picture.</item>
    /// </list>
    /// </summary>
    /// <param name="factors">The face.</param>
    /// <returns>At least nothing: a face may have no clear attribute.</returns>
    public static FaceCaption Visible(FaceFactors factors)
    {
        ArgumentNullException.ThrowIfNull(factors);
        var hat = factors.Hat >= 0.5f;
        var hatless = factors.Hat <= 0;
        var length = factors switch
        {
            { HairCover: <= 0.2f } when hatless => "bald",
            { HairLength: <= 0.25f, HairCover: >= 0.6f } when hatless => "short",
            { HairLength: >= 0.6f, HairCover: >= 0.6f } => "long",
            _ => null,
        };
        var hairSeen = length is "short" or "long" || (hatless && factors.HairCover >= 0.6f);
        var closed = factors.MouthOpen <= 0;
        var contrast = ShowsOnSkin(factors);
        return new FaceCaption
        {
            Age = factors.Age switch
            {
                <= 0.27f => "young",
                >= 0.4f and <= 0.6f => "middle-aged",
                >= 0.73f => "old",
                _ => null,
            },
            HairLength = length,
            HairColor = hairSeen ? HairColor(factors) : null,
            Hat = hat ? true : null,
            HatColor = hat ? HatColor(factors) : null,
            Eyewear = factors switch
            {
                { Glasses: >= 0.5f, GlassesTint: >= 0.7f } => "sunglasses",
                { Glasses: >= 0.5f, GlassesTint: <= 0.15f } => "glasses",
                _ => null,
            },
            Beard = factors.Beard >= 0.5f && contrast ? true : null,
            Moustache = factors.Moustache >= 0.5f && contrast ? true : null,
            Expression = factors.Smile switch
            {
                >= 0.6f => "smiling",
                <= -0.1f when closed => "serious",
                >= 0.1f and <= 0.4f when closed => "neutral",
                _ => null,
            },
            MouthOpen = factors.MouthOpen >= 0.5f ? true : null,
            Background = Background(factors),
        };
    }

    /// <summary>A caption of a face, the same for the same arguments on every machine.</summary>
    /// <param name="factors">The face.</param>
    /// <param name="seed">Any number.</param>
    /// <param name="index">The place of the face in its sequence; another index is another choice of attributes and
    /// words.</param>
    /// <returns>A caption in lower case that names 2 to 5 attributes, with at most <see cref="MostWords"/> words and
    /// signs.</returns>
    public static string Of(FaceFactors factors, long seed, long index)
    {
        ArgumentNullException.ThrowIfNull(factors);
        var draws = new Draws(Seeds.Derive(Seeds.Derive(seed, "captions"), index));
        var named = Choose(WithFallback(Visible(factors), factors), ref draws);
        var form = draws.Below(3);
        if (form == 0)
            return List(named, ref draws);
        var text = form == 1 ? Phrase(named, ref draws) : Clause(named, ref draws);
        return Words().Count(text) <= MostWords ? text : List(named, ref draws);
    }

    /// <summary>What a caption says: the inverse of the choice of words.</summary>
    /// <param name="caption">A caption of <see cref="Of"/>, or any text: words it does not know say nothing.</param>
    public static FaceCaption Parse(string caption)
    {
        ArgumentNullException.ThrowIfNull(caption);
        var text = caption.ToLowerInvariant();
        bool Says(Regex pattern) => pattern.IsMatch(text);
        string? FirstOf((string Word, Regex Pattern)[] words) => words.FirstOrDefault(word => Says(word.Pattern)).Word;
        var shaven = Says(Shaven);
        return new FaceCaption
        {
            Age = FirstOf(Ages),
            HairLength = FirstOf(HairLengths),
            HairColor = FirstOf(HairColors),
            Hat =
                Says(Bareheaded) ? false
                : Says(Hats) ? true
                : null,
            HatColor = FirstOf(HatColors),
            Eyewear = FirstOf(Eyewears),
            Beard =
                shaven ? false
                : Says(Beards) ? true
                : null,
            Moustache =
                shaven ? false
                : Says(Moustaches) ? true
                : null,
            Expression = FirstOf(Expressions),
            MouthOpen = Says(OpenMouths) ? true : null,
            Background = FirstOf(Backgrounds),
        };
    }

    private static Regex Pattern(string words) => new($@"\b(?:{words})\b", RegexOptions.CultureInvariant);

    private static (string Word, Regex Pattern)[] Patterns(string end, params (string Word, string Words)[] all) =>
        [.. all.Select(one => (one.Word, Pattern($"(?:{one.Words}){end}")))];

    /// <summary>Where fewer than two attributes are clear: what is absent, and the age by its thirds.</summary>
    private static FaceCaption WithFallback(FaceCaption visible, FaceFactors factors)
    {
        if (visible.Count < FewestNamed && factors is { Beard: 0, Moustache: 0 })
            visible = visible with { Beard = false, Moustache = false };
        if (visible.Count < FewestNamed && factors.Hat <= 0)
            visible = visible with { Hat = false };
        if (visible.Count < FewestNamed)
            visible = visible with
            {
                Age =
                    factors.Age < 1f / 3 ? "young"
                    : factors.Age > 2f / 3 ? "old"
                    : "middle-aged",
            };
        // Both are open only where beard, moustache or hat are too faint to be named.
        if (visible.Count < FewestNamed)
            visible = visible with { Expression = factors.Smile >= 0 ? "neutral" : "serious" };
        return visible;
    }

    /// <summary>Keeps 2 to 5 of the attributes; what few faces have is kept more often.</summary>
    private static FaceCaption Choose(FaceCaption all, ref Draws draws)
    {
        const int often = 3,
            seldom = 1;
        (int Weight, bool Here, Func<FaceCaption, FaceCaption> Drop)[] attributes =
        [
            (often, all.Age is not null, c => c with { Age = null }),
            (
                seldom,
                (all.HairLength ?? all.HairColor) is not null,
                c => c with { HairLength = null, HairColor = null }
            ),
            (often, all.Hat is not null, c => c with { Hat = null, HatColor = null }),
            (often, all.Eyewear is not null, c => c with { Eyewear = null }),
            (
                often,
                all.Beard is not null,
                c => c with { Beard = null, Moustache = all.Moustache == true ? true : null }
            ),
            (seldom, all.Moustache == true, c => c with { Moustache = null }),
            (seldom, all.Expression is not null, c => c with { Expression = null }),
            (seldom, all.MouthOpen is not null, c => c with { MouthOpen = null }),
            (seldom, all.Background is not null, c => c with { Background = null }),
        ];
        // The larger of two draws, since few faces have five clear attributes.
        const int choices = MostNamed - FewestNamed + 1;
        var wanted = FewestNamed + Math.Max(draws.Below(choices), draws.Below(choices));
        var order = new List<(long Rank, int Place)>();
        for (var i = 0; i < attributes.Length; i++)
        {
            var rank = draws.Next() / attributes[i].Weight;
            if (attributes[i].Here)
                order.Add((rank, i));
        }
        foreach (var (_, place) in order.OrderBy(attribute => attribute).Skip(wanted))
            all = attributes[place].Drop(all);
        return all;
    }

    // "a portrait of a smiling old person with a beard, wearing a blue hat, on a dark background"
    private static string Phrase(FaceCaption c, ref Draws draws)
    {
        var opening = draws.Word(Openings);
        if (draws.Below(4) == 0)
            opening = $"{draws.Word(Praise)} {opening}";
        opening = draws.Below(3) == 0 ? "" : $"{WithArticle(opening)} of ";
        List<string> adjectives = [];
        var looks = c.Expression is not null && draws.Below(2) == 0;
        if (looks)
            adjectives.Add(Expression(c.Expression!, ref draws));
        if (c.Age is not null)
            adjectives.Add(Age(c.Age, ref draws));
        var bare = Absent(c);
        adjectives.AddRange(bare);
        if (c.HairLength == "bald")
            adjectives.Add(draws.Word("bald", "hairless"));
        List<string> with = [];
        if (c.HairLength != "bald" && Hair(c, ref draws) is { } hair)
            with.Add(hair);
        AddBeard(c, with, ref draws);
        if (c.Expression is not null && !looks)
            with.Add(ExpressionNoun(c.Expression, ref draws));
        if (c.MouthOpen is not null)
            with.Add(Mouth(ref draws));
        var wearing = Worn(c, ref draws);
        draws.Shuffle(with);
        var person = string.Join(' ', [.. adjectives, draws.Word([.. People, "someone"])]);
        if (person.EndsWith("someone", StringComparison.Ordinal))
            person = adjectives.Count == 0 ? person : $"someone {string.Join(" and ", adjectives)}";
        else
            person = WithArticle(person);
        List<string> parts = [opening + person + (with.Count > 0 ? $" with {And(with)}" : "")];
        if (wearing.Count > 0)
            parts.Add($"{draws.Word("wearing", "in", "dressed in")} {And(wearing)}");
        if (c.Background is not null)
            parts.Add(Background(c.Background, ref draws));
        return string.Join(draws.Below(2) == 0 ? ", " : " ", parts);
    }

    // "this old person has a beard, wears a blue hat and smiles, on a dark background"
    private static string Clause(FaceCaption c, ref Draws draws)
    {
        List<string> adjectives = [];
        if (c.Age is not null)
            adjectives.Add(Age(c.Age, ref draws));
        adjectives.AddRange(Absent(c));
        List<string> has = [];
        if (c.HairLength == "bald")
            adjectives.Add(draws.Word("bald", "hairless"));
        else if (Hair(c, ref draws) is { } hair)
            has.Add(hair);
        AddBeard(c, has, ref draws);
        if (c.MouthOpen is not null)
            has.Add(Mouth(ref draws));
        draws.Shuffle(has);
        List<string> verbs = [];
        if (has.Count > 0)
            verbs.Add($"{draws.Word("has", "shows", "displays", "sports", "features")} {And(has)}");
        if (Worn(c, ref draws) is { Count: > 0 } worn)
            verbs.Add($"wears {And(worn)}");
        if (c.Expression is not null)
            verbs.Add(
                c.Expression == "smiling"
                    ? draws.Word("smiles", "looks happy", "is smiling", "looks cheerful")
                    : $"{draws.Word("looks", "is", "seems", "appears")} {Expression(c.Expression, ref draws)}"
            );
        draws.Shuffle(verbs);
        var person = string.Join(' ', [.. adjectives, draws.Word(People)]);
        var subject = draws.Below(2) == 0 ? $"{draws.Word("the", "this")} {person}" : WithArticle(person);
        if (verbs.Count == 0)
            verbs.Add("is shown");
        var background = c.Background is null ? "" : $" {Background(c.Background, ref draws)}";
        return $"{subject} {And(verbs)}{background}";
    }

    // "old, beard, blue hat, smiling, dark background"
    private static string List(FaceCaption c, ref Draws draws)
    {
        List<string> tags = [];
        if (c.Age is not null)
            tags.Add(Age(c.Age, ref draws));
        tags.AddRange(Absent(c));
        if (c.HairLength == "bald")
            tags.Add(draws.Word("bald", "hairless"));
        else if (Hair(c, ref draws) is { } hair)
            tags.Add(hair);
        if (c.Hat == true)
            tags.Add(Hat(c, ref draws));
        if (c.Eyewear is not null)
            tags.Add(Eyewear(c.Eyewear, ref draws));
        if (c.Beard == true)
            tags.Add(draws.Word("beard", "bearded"));
        if (c.Moustache == true)
            tags.Add(draws.Word("moustache", "whiskers"));
        if (c.Expression is not null)
            tags.Add(Expression(c.Expression, ref draws));
        if (c.MouthOpen is not null)
            tags.Add(draws.Word("open mouth", "parted lips"));
        if (c.Background is not null)
            tags.Add(
                $"{Shade(c.Background, ref draws)} {draws.Word("background", "backdrop", "wall", "curtain", "canvas")}"
            );
        draws.Shuffle(tags);
        return string.Join(", ", tags);
    }

    private static IEnumerable<string> Absent(FaceCaption c)
    {
        if (c.Beard == false)
            yield return "clean-shaven";
        if (c.Hat == false)
            yield return "bareheaded";
    }

    private static string Age(string age, ref Draws draws) =>
        age switch
        {
            "young" => draws.Word("young", "youthful"),
            "old" => draws.Word("old", "elderly", "aged", "senior"),
            _ => draws.Word("middle-aged", "midlife"),
        };

    private static string? Hair(FaceCaption c, ref Draws draws)
    {
        if (c.HairLength is null && c.HairColor is null)
            return null;
        var length = c.HairLength switch
        {
            "short" => draws.Word("short", "cropped") + " ",
            "long" => draws.Word("long", "flowing") + " ",
            _ => "",
        };
        var color = c.HairColor switch
        {
            "brown" => draws.Word("brown", "brunette") + " ",
            "blond" => draws.Word("blond", "golden") + " ",
            "red" => draws.Word("red", "ginger") + " ",
            "grey" => draws.Word("grey", "silver") + " ",
            null => "",
            _ => c.HairColor + " ",
        };
        return $"{length}{color}hair";
    }

    private static string Hat(FaceCaption c, ref Draws draws) =>
        (c.HatColor is null ? "" : c.HatColor + " ") + draws.Word("hat", "headgear");

    private static string Eyewear(string eyewear, ref Draws draws) =>
        eyewear == "glasses" ? draws.Word("glasses", "spectacles", "eyeglasses") : draws.Word("sunglasses", "shades");

    private static List<string> Worn(FaceCaption c, ref Draws draws)
    {
        List<string> worn = [];
        if (c.Hat == true)
            worn.Add(WithArticle(Hat(c, ref draws)));
        if (c.Eyewear is not null)
            worn.Add(Eyewear(c.Eyewear, ref draws));
        draws.Shuffle(worn);
        return worn;
    }

    private static void AddBeard(FaceCaption c, List<string> to, ref Draws draws)
    {
        if (c.Beard == true)
            to.Add(draws.Word("a beard", "a full beard"));
        if (c.Moustache == true)
            to.Add(draws.Word("a moustache", "whiskers"));
    }

    private static string Expression(string expression, ref Draws draws) =>
        expression switch
        {
            "smiling" => draws.Word("smiling", "happy", "cheerful"),
            "serious" => draws.Word("serious", "stern", "solemn", "unsmiling"),
            _ => draws.Word("neutral", "calm", "relaxed"),
        };

    private static string ExpressionNoun(string expression, ref Draws draws)
    {
        if (expression == "smiling")
            return draws.Word("a smile", "a happy look", "a broad smile");
        return $"a {Expression(expression, ref draws).Replace("unsmiling", "serious", StringComparison.Ordinal)} "
            + draws.Word("expression", "look", "gaze", "countenance", "demeanour");
    }

    private static string Mouth(ref Draws draws) => draws.Word("an open mouth", "parted lips");

    private static string Shade(string background, ref Draws draws) =>
        background switch
        {
            "dark" => draws.Word("dark", "gloomy", "dim"),
            "light" => draws.Word("light", "bright", "pale"),
            "pink" => draws.Word("pink", "rose"),
            "blue" => draws.Word("blue", "azure"),
            "purple" => draws.Word("purple", "violet"),
            _ => background,
        };

    private static string Background(string background, ref Draws draws) =>
        $"{draws.Word("on", "against", "before", "in front of")} "
        + WithArticle(
            $"{Shade(background, ref draws)} {draws.Word("background", "backdrop", "wall", "curtain", "canvas")}"
        );

    private static string WithArticle(string noun) => ("aeiou".Contains(noun[0]) ? "an " : "a ") + noun;

    private static string And(List<string> parts) =>
        parts.Count == 1 ? parts[0] : $"{string.Join(", ", parts.Take(parts.Count - 1))} and {parts[^1]}";

    // Of the hair as it is drawn.
    private static string? HairColor(FaceFactors factors)
    {
        var grey = FaceColors.Greyness(factors.Age);
        var drawn = FaceColors.DrawnHair(factors);
        var chroma = MathF.Max(drawn.X, MathF.Max(drawn.Y, drawn.Z)) - MathF.Min(drawn.X, MathF.Min(drawn.Y, drawn.Z));
        if (grey >= 0.6f)
            return chroma <= 0.15f ? "grey" : null;
        if (grey > 0.15f)
            return null;
        return factors switch
        {
            { HairTone: <= 0.18f } => "black",
            { HairRed: >= 0.55f, HairTone: >= 0.4f and <= 0.9f } => "red",
            { HairRed: <= 0.35f, HairTone: >= 0.32f and <= 0.62f } => "brown",
            { HairRed: <= 0.25f, HairTone: >= 0.78f } => "blond",
            _ => null,
        };
    }

    // Hue 0 is red, 1/3 green, 2/3 blue; half saturated, so that red cloth turns pink where it is light.
    private static string? HatColor(FaceFactors factors)
    {
        var hue = Turned(factors.ClothesHue + 0.5f);
        return factors.HatTone switch
        {
            <= 0.12f => "black",
            < 0.3f => null,
            _ => Hue(hue) switch
            {
                "pink" => factors.HatTone switch
                {
                    <= 0.65f => "red",
                    >= 0.8f => "pink",
                    _ => null,
                },
                "yellow" => factors.HatTone >= 0.6f ? "yellow" : null,
                var name => name,
            },
        };
    }

    private static string? Background(FaceFactors factors)
    {
        const float contrast = 0.9f;
        var steep = contrast * MathF.Abs(factors.BackgroundGradient);
        // The two ends of the gradient.
        float dark = factors.BackgroundTone * (1 - steep),
            light = 1 - (1 - factors.BackgroundTone) * (1 - steep);
        var mean = 0.5f * (dark + light);
        if (mean <= 0.3f && light <= 0.5f)
            return "dark";
        if (mean >= 0.75f && dark >= 0.55f)
            return "light";
        return mean is >= 0.42f and <= 0.68f && light - dark <= 0.4f ? Hue(factors.BackgroundHue) : null;
    }

    private static string? Hue(float hue) =>
        hue switch
        {
            <= 0.05f or >= 0.94f => "pink",
            >= 0.12f and <= 0.2f => "yellow",
            >= 0.26f and <= 0.44f => "green",
            >= 0.56f and <= 0.71f => "blue",
            >= 0.75f and <= 0.87f => "purple",
            _ => null,
        };

    private static float Turned(float hue) => hue - MathF.Floor(hue);

    // Whether a beard stands out: it is drawn at about two thirds of the hair's light.
    private static bool ShowsOnSkin(FaceFactors factors)
    {
        const float beardLight = 0.65f,
            least = 0.15f;
        var skin = FaceColors.Skin(factors.SkinTone, factors.SkinWarmth);
        return MathF.Abs(Vector3.Dot(FaceCanvas.Luma, skin - beardLight * FaceColors.DrawnHair(factors))) >= least;
    }

    [GeneratedRegex("[a-z]+|[^a-z ]+")]
    private static partial Regex Words();

    /// <summary>Whole numbers drawn from one seed by integer hashing.</summary>
    private struct Draws(long seed)
    {
        private long place;

        /// <summary>At least 0.</summary>
        public long Next() => Seeds.Derive(seed, place++);

        public int Below(int count) => (int)((Next() >> 31) % count);

        /// <summary>The first, plain word with probability 1/2, else one of the others.</summary>
        public string Word(params ReadOnlySpan<string> words) =>
            words.Length == 1 || Below(2) == 0 ? words[0] : words[1 + Below(words.Length - 1)];

        public void Shuffle(List<string> items)
        {
            for (var i = items.Count - 1; i > 0; i--)
            {
                var j = Below(i + 1);
                (items[i], items[j]) = (items[j], items[i]);
            }
        }
    }
}
