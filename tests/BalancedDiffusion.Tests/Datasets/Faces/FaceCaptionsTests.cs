using BalancedDiffusion.Datasets.Faces;

namespace BalancedDiffusion.Tests.Datasets.Faces;

public class FaceCaptionsTests
{
    private const int Faces = 4000;

    private static IEnumerable<(FaceFactors Factors, string Caption)> Captioned(int count = Faces, long seed = 3) =>
        Enumerable
            .Range(0, count)
            .Select(i =>
            {
                var factors = FaceDistribution.Draw(seed, i);
                return (factors, FaceCaptions.Of(factors, seed, i));
            });

    [Fact]
    public void WhatIsSaidIsTrueOfTheFace()
    {
        // The words' own meaning on the factors' scales, without the margins that captions keep.
        var said = new Dictionary<string, int>();
        foreach (var (f, caption) in Captioned())
        {
            void Holds(string? word, bool truth)
            {
                if (word is null)
                    return;
                said[word] = said.GetValueOrDefault(word) + 1;
                Assert.True(truth, $"'{caption}' says {word} of {f}");
            }
            var c = FaceCaptions.Parse(caption);
            Holds(
                c.Age,
                c.Age switch
                {
                    "young" => f.Age < 1f / 3,
                    "middle-aged" => f.Age is >= 1f / 3 and <= 2f / 3,
                    _ => f.Age > 2f / 3,
                }
            );
            Holds(
                c.HairLength,
                c.HairLength switch
                {
                    "bald" => f is { HairCover: <= 0.25f, Hat: 0 },
                    "short" => f is { HairLength: <= 0.3f, HairCover: >= 0.65f, Hat: 0 },
                    _ => f is { HairLength: >= 0.55f, HairCover: >= 0.65f },
                }
            );
            Holds(
                c.HairColor is null ? null : c.HairColor + " hair",
                c.HairColor switch
                {
                    "grey" => f.Age > 2f / 3,
                    "black" => f is { HairTone: < 0.25f, Age: < 2f / 3 },
                    "brown" => f is { HairTone: > 0.25f and < 0.75f, HairRed: < 0.5f, Age: < 2f / 3 },
                    "blond" => f is { HairTone: > 0.7f, HairRed: < 0.5f, Age: < 2f / 3 },
                    _ => f is { HairRed: > 0.5f, HairTone: > 0.3f, Age: < 2f / 3 },
                }
            );
            Holds(c.Hat is null ? null : $"hat {c.Hat}", c.Hat == true ? f.Hat >= 0.5f : f.Hat == 0);
            var hue = (f.ClothesHue + 0.5f) % 1;
            Holds(
                c.HatColor is null ? null : c.HatColor + " hat",
                c.HatColor switch
                {
                    "black" => f.HatTone < 0.2f,
                    "red" => hue is < 1f / 12 or > 11f / 12 && f.HatTone < 0.75f,
                    "pink" => hue is < 1f / 12 or > 11f / 12 && f.HatTone > 0.75f,
                    "yellow" => hue is > 1f / 12 and < 3f / 12,
                    "green" => hue is > 3f / 12 and < 5.5f / 12,
                    "blue" => hue is > 6.5f / 12 and < 9f / 12,
                    _ => hue is > 8.5f / 12 and < 10.5f / 12,
                }
            );
            Holds(c.Eyewear, f.Glasses >= 0.5f && (c.Eyewear == "sunglasses") == f.GlassesTint > 0.5f);
            Holds(c.Beard is null ? null : $"beard {c.Beard}", c.Beard == true ? f.Beard > 0.4f : f.Beard == 0);
            Holds(
                c.Moustache is null ? null : $"moustache {c.Moustache}",
                c.Moustache == true ? f.Moustache > 0.4f : f.Moustache == 0
            );
            Holds(
                c.Expression,
                c.Expression switch
                {
                    "smiling" => f.Smile > 0.5f,
                    "neutral" => f.Smile is >= 0 and < 0.6f,
                    _ => f.Smile < 0,
                }
            );
            Holds(c.MouthOpen is null ? null : "open", f.MouthOpen > 0.3f);
            Holds(
                c.Background is null ? null : c.Background + " background",
                c.Background switch
                {
                    "dark" => f.BackgroundTone < 0.35f,
                    "light" => f.BackgroundTone > 0.65f,
                    "pink" => f.BackgroundHue is < 1f / 12 or > 11f / 12,
                    "yellow" => f.BackgroundHue is > 1f / 12 and < 3f / 12,
                    "green" => f.BackgroundHue is > 3f / 12 and < 5.5f / 12,
                    "blue" => f.BackgroundHue is > 6.5f / 12 and < 9f / 12,
                    _ => f.BackgroundHue is > 8.5f / 12 and < 10.5f / 12,
                }
            );
        }
        // Three ages, three hair lengths, five hair colours, two of hats, seven of their colours, two of eyewear,
        // beard, moustache and none, three expressions, the mouth, seven backgrounds; all came up.
        Assert.Equal(3 + 3 + 5 + 2 + 7 + 2 + 2 + 2 + 3 + 1 + 7, said.Count);
    }

    [Fact]
    public void TwoToFiveVisibleAttributesAreNamedInAtMostTwentyTwoWords()
    {
        var counts = new int[10];
        foreach (var (factors, caption) in Captioned())
        {
            var (said, visible) = (FaceCaptions.Parse(caption), FaceCaptions.Visible(factors));
            counts[said.Count]++;
            Assert.InRange(
                caption.Split([' ', '-'], StringSplitOptions.None).Length + caption.Count(",-".Contains),
                2,
                22
            );
            Assert.Equal(caption.ToLowerInvariant(), caption);
            if (visible.Count < 2)
                continue;
            // Nothing but what is seen.
            void Seen<T>(T? word, T? seen) => Assert.True(word is null || word.Equals(seen), $"{caption}: {word}");
            Seen(said.Age, visible.Age);
            Seen(said.HairLength, visible.HairLength);
            Seen(said.HairColor, visible.HairColor);
            Seen(said.Hat, visible.Hat);
            Seen(said.HatColor, visible.HatColor);
            Seen(said.Eyewear, visible.Eyewear);
            Seen(said.Beard, visible.Beard);
            Seen(said.Moustache, visible.Moustache);
            Seen(said.Expression, visible.Expression);
            Seen(said.MouthOpen, visible.MouthOpen);
            Seen(said.Background, visible.Background);
        }
        Assert.Equal(Faces, counts[2..6].Sum());
        Assert.All(counts[2..6], count => Assert.True(count > Faces / 40, $"{string.Join(' ', counts)}"));
    }

    [Fact]
    public void ACaptionDependsOnFaceSeedAndIndexAlone()
    {
        var face = FaceDistribution.Draw(3, 5);
        Assert.Equal(FaceCaptions.Of(face, 3, 5), FaceCaptions.Of(face with { }, 3, 5));
        var wordings = Enumerable.Range(0, 200).Select(i => FaceCaptions.Of(face, 3, i)).Distinct().Count();
        Assert.True(wordings > 150, $"{wordings}");
        Assert.NotEqual(
            Enumerable.Range(0, 20).Select(i => FaceCaptions.Of(face, 3, i)),
            Enumerable.Range(0, 20).Select(i => FaceCaptions.Of(face, 4, i))
        );
    }

    [Fact]
    public void WhatIsNamedChangesThePicture()
    {
        // The root mean square of the pixels' change where the named thing is taken away, in [-1, 1].
        var renderer = new FaceRenderer(64, true);
        float[] with = new float[renderer.Length],
            without = new float[renderer.Length];
        double Change(FaceFactors factors, FaceFactors changed)
        {
            renderer.Render(factors, with);
            renderer.Render(changed, without);
            return Math.Sqrt(with.Zip(without, (a, b) => (double)(a - b) * (a - b)).Average());
        }
        foreach (var (f, caption) in Captioned(1500))
        {
            var c = FaceCaptions.Parse(caption);
            void Shows(bool said, FaceFactors changed, double least) =>
                Assert.True(!said || Change(f, changed) > least, $"{caption}: {Change(f, changed)}");
            Shows(c.Hat == true, f with { Hat = 0 }, 0.07);
            Shows(c.Eyewear == "glasses", f with { Glasses = 0 }, 0.04);
            Shows(c.Eyewear == "sunglasses", f with { Glasses = 0 }, 0.05);
            Shows(c.Beard == true, f with { Beard = 0 }, 0.02);
            Shows(c.Moustache == true, f with { Moustache = 0 }, 0.012);
            Shows(c.MouthOpen == true, f with { MouthOpen = 0 }, 0.008);
            Shows(c.Expression == "smiling", f with { Smile = 0 }, 0.01);
            Shows(c.HairLength == "long", f with { HairLength = 0.2f }, 0.035);
        }
    }

    [Theory]
    [InlineData("a portrait of a smiling old person with a beard, wearing a blue hat, on a dark background", 5)]
    [InlineData("the elderly face wears sunglasses and looks stern", 3)]
    [InlineData("middle-aged, cropped ginger hair, parted lips", 3)]
    [InlineData("clean-shaven, bareheaded", 2)]
    [InlineData("a dark horse", 0)]
    [InlineData("", 0)]
    public void TextsAreRead(string caption, int count) => Assert.Equal(count, FaceCaptions.Parse(caption).Count);

    [Fact]
    public void WordsAreReadInTheirPlainForm()
    {
        var read = FaceCaptions.Parse(
            "an elderly, unsmiling human with flowing silver hair in a red headgear and shades"
        );
        Assert.Equal(
            new FaceCaption
            {
                Age = "old",
                Expression = "serious",
                HairLength = "long",
                HairColor = "grey",
                Hat = true,
                HatColor = "red",
                Eyewear = "sunglasses",
            },
            read
        );
        Assert.Throws<ArgumentNullException>(() => FaceCaptions.Parse(null!));
        Assert.Throws<ArgumentNullException>(() => FaceCaptions.Of(null!, 0, 0));
    }

    [Fact]
    public void WhatAHatHidesOrABorderDividesIsNotNamed()
    {
        var face = new FaceFactors { Age = 0.5f, HairLength = 0.2f };
        Assert.Equal(("short", "middle-aged"), (FaceCaptions.Visible(face).HairLength, FaceCaptions.Visible(face).Age));
        var hat = FaceCaptions.Visible(face with { Hat = 0.8f });
        Assert.Equal((null, null, true), (hat.HairLength, hat.HairColor, hat.Hat));
        Assert.Equal("long", FaceCaptions.Visible(face with { Hat = 0.8f, HairLength = 0.8f }).HairLength);
        Assert.Null(FaceCaptions.Visible(face with { Age = 0.3f }).Age);
        Assert.Null(FaceCaptions.Visible(face with { HairCover = 0.2f, Hat = 0.8f }).HairLength);
    }
}
