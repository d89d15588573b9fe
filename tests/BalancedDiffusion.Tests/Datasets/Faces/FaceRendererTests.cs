using BalancedDiffusion.Datasets.Faces;

namespace BalancedDiffusion.Tests.Datasets.Faces;

public class FaceRendererTests
{
    private static readonly FaceFactors Bald = new() { HairCover = 0, LightX = 0.01f };

    [Theory]
    [InlineData(0)]
    [InlineData(-32)]
    [InlineData(31)]
    [InlineData(128)]
    public void OtherSizesAreRefused(int size) =>
        Assert.Contains(
            $"size must be 32 or 64, was {size}",
            Assert.Throws<ArgumentOutOfRangeException>(() => new FaceRenderer(size, false)).Message
        );

    [Fact]
    public void ABufferOfAnotherLengthIsRefused()
    {
        var renderer = new FaceRenderer(32, true);
        Assert.Equal(3072, renderer.Length);
        Assert.Contains(
            "3072",
            Assert.Throws<ArgumentException>(() => renderer.Render(new FaceFactors(), new float[1024])).Message
        );
        Assert.Throws<ArgumentNullException>(() => renderer.Render(null!, new float[3072]));
    }

    [Fact]
    public void TenThousandRandomFacesStayInRangeAndAreNeverBlank()
    {
        var renderer = new FaceRenderer(32, false);
        var pixels = new float[renderer.Length];
        for (var i = 0; i < 10_000; i++)
        {
            Array.Fill(pixels, float.NaN);
            renderer.Render(FaceDistribution.Draw(1, i), pixels);
            float least = float.PositiveInfinity,
                most = float.NegativeInfinity;
            foreach (var x in pixels)
            {
                if (!(x >= -1 && x <= 1))
                    Assert.Fail($"face {i} holds the pixel {x}");
                (least, most) = (Math.Min(least, x), Math.Max(most, x));
            }

            Assert.True(most - least > 0.2f, $"face {i} has hardly any contrast: {most - least}");
        }
    }

    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    public void EveryCornerOfTheRangesIsFinite(int size)
    {
        var random = new Random(5);
        for (var i = 0; i < 1000; i++)
        {
            var factors = new FaceFactors();
            foreach (var factor in FaceFactors.All)
                factors = factors.With(factor.Name, random.Next(2) == 0 ? factor.Min : factor.Max);
            Assert.All(Render(factors, size, rgb: true), x => Assert.InRange(x, -1f, 1f));
        }
    }

    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    public void GreyIsTheLumaOfRgb(int size)
    {
        for (var i = 0; i < 300; i++)
        {
            var factors = FaceDistribution.Draw(2, i);
            var (grey, rgb) = (Render(factors, size), Render(factors, size, rgb: true));
            var plane = size * size;
            for (var k = 0; k < plane; k++)
                Assert.Equal(0.299f * rgb[k] + 0.587f * rgb[plane + k] + 0.114f * rgb[2 * plane + k], grey[k], 1e-5f);
        }
    }

    [Fact]
    public void TheLargePictureAveragedIsTheSmallOne()
    {
        for (var i = 0; i < 300; i++)
        {
            var factors = FaceDistribution.Draw(3, i);
            var correlation = Correlation(Halve(Render(factors, 64), 64), Render(factors, 32));
            Assert.True(correlation > 0.95, $"face {i}: {correlation}");
        }
    }

    [Fact]
    public void RenderingAllocatesNothingAndIsRepeatable()
    {
        var renderer = new FaceRenderer(32, true);
        var (first, second) = (new float[renderer.Length], new float[renderer.Length]);
        var faces = Enumerable.Range(0, 200).Select(i => FaceDistribution.Draw(4, i)).ToArray();
        renderer.Render(faces[0], first);
        var before = GC.GetAllocatedBytesForCurrentThread();
        foreach (var face in faces)
            renderer.Render(face, second);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        renderer.Render(faces[0], second);
        Assert.Equal(first, second);
    }

    [Fact]
    public void EveryFactorChangesThePictureAlongItsWholeRange()
    {
        const int steps = 8;
        foreach (var factor in FaceFactors.All)
        {
            var face = factor.Name switch
            {
                "HatBrim" or "HatTone" => new FaceFactors { Hat = 0.8f },
                "GlassesTint" => new FaceFactors { Glasses = 0.8f },
                "BackgroundAngle" => new FaceFactors { BackgroundGradient = 0.7f },
                _ => new FaceFactors(),
            };
            float[]? last = null,
                first = null;
            var soFar = -1.0;
            for (var k = 0; k <= steps; k++)
            {
                var picture = Render(
                    face.With(factor.Name, Math.Min(factor.Max, factor.Min + (factor.Max - factor.Min) * k / steps)),
                    32,
                    rgb: true
                );
                Assert.True(
                    last is null || Distance(last, picture) > 0.02,
                    $"{factor.Name} changes nothing at step {k}: {(last is null ? 0 : Distance(last, picture))}"
                );
                first ??= picture;
                last = picture;
                if (k == steps)
                    soFar = Distance(first, picture);
            }

            Assert.True(
                soFar > 0.3 || factor.Name is "BackgroundHue" or "ClothesHue",
                $"{factor.Name} changes little: {soFar}"
            );
        }
    }

    [Fact]
    public void TheMirroredFaceIsTheMirroredPicture()
    {
        for (var i = 0; i < 50; i++)
        {
            var face = FaceDistribution.Draw(5, i) with { HairCover = 0, HairLength = 0, Beard = 0, Glasses = 0 };
            var mirrored = face with
            {
                Yaw = -face.Yaw,
                Tilt = -face.Tilt,
                ShiftX = -face.ShiftX,
                GazeX = -face.GazeX,
                LightX = -face.LightX,
                BackgroundAngle = 1 - face.BackgroundAngle,
            };
            var (a, b) = (Render(face, 64), Render(mirrored, 64));
            for (var y = 0; y < 48; y++) // above the folds of the clothes
            for (var x = 0; x < 64; x++)
                Assert.Equal(a[y * 64 + x], b[y * 64 + 63 - x], 2e-3f);
        }
    }

    [Fact]
    public void ShiftMovesTheHeadByTheDocumentedDistance()
    {
        // 12 % of the picture between the two ends is 7.68 pixels of 64; the best whole shift must be 8, and 5 % up or
        // down is 6.4: 6.
        var face = Bald with
        {
            BackgroundTone = 0.5f,
        };
        Assert.Equal(
            8,
            BestShift(Render(face with { ShiftX = -1 }, 64), Render(face with { ShiftX = 1 }, 64), horizontal: true)
        );
        Assert.Equal(
            6,
            BestShift(Render(face with { ShiftY = -1 }, 64), Render(face with { ShiftY = 1 }, 64), horizontal: false)
        );
    }

    [Fact]
    public void AgeDeepensTheWrinklesOfTheForeheadAndWhitensTheHair()
    {
        double lastRoughness = -1,
            lastHair = -1;
        foreach (var age in new[] { 0f, 0.25f, 0.5f, 0.75f, 1f })
        {
            var picture = Render(Bald with { Age = age }, 64);
            var roughness = 0.0; // squared second differences downwards on the forehead
            for (var y = 12; y < 22; y++)
            for (var x = 26; x < 38; x++)
                roughness += Math.Pow(
                    picture[(y - 1) * 64 + x] - 2 * picture[y * 64 + x] + picture[(y + 1) * 64 + x],
                    2
                );
            Assert.True(
                roughness > lastRoughness,
                $"at age {age} the forehead is no rougher: {roughness} after {lastRoughness}"
            );
            lastRoughness = roughness;
            if (age < 0.5f)
                continue;
            var hair = Mean(
                Render(
                    new FaceFactors
                    {
                        Age = age,
                        HairTone = 0,
                        HairVolume = 1,
                        Fringe = 0.3f,
                    },
                    64
                ),
                26,
                38,
                2,
                8
            );
            Assert.True(hair > lastHair, $"at age {age} the hair is no lighter: {hair} after {lastHair}");
            lastHair = hair;
        }
    }

    [Fact]
    public void SunglassesDarkenTheEyes()
    {
        double Eyes(FaceFactors f) => Mean(Render(f, 64), 20, 44, 29, 37);
        var bare = Eyes(Bald);
        Assert.True(Eyes(Bald with { Glasses = 0.8f }) < bare);
        Assert.True(Eyes(Bald with { Glasses = 0.8f, GlassesTint = 1 }) < bare - 0.3);
    }

    [Fact]
    public void ASmileLiftsTheCornersOfTheMouth()
    {
        double Corners(float smile)
        {
            // Height of the darkness at the corners less its height in the middle, in pixels.
            var picture = Render(Bald with { Smile = smile, Yaw = 0, LightX = 0 }, 64);
            return 0.5 * (DarkRow(picture, 27) + DarkRow(picture, 36))
                - 0.5 * (DarkRow(picture, 31) + DarkRow(picture, 32));
        }

        Assert.True(Corners(-1) > Corners(0));
        Assert.True(Corners(0) > Corners(1));
        Assert.True(Corners(-1) - Corners(1) > 1);
    }

    [Fact]
    public void TheSideTowardsTheLampIsTheLighter()
    {
        double RightLessLeft(float lightX)
        {
            var picture = Render(Bald with { LightX = lightX, LightStrength = 1 }, 64);
            return Mean(picture, 36, 44, 38, 46) - Mean(picture, 20, 28, 38, 46);
        }

        Assert.True(RightLessLeft(1) > 0.2);
        Assert.True(RightLessLeft(-1) < -0.2);
        Assert.Equal(0, RightLessLeft(0), 0.02);
        Assert.True(RightLessLeft(0.5f) > 0.05);
    }

    [Fact]
    public void SkinHairAndBackgroundLightenWithTheirTones()
    {
        foreach (
            var (name, left, right, top, bottom) in new[]
            {
                ("SkinTone", 28, 36, 14, 20),
                ("BackgroundTone", 0, 5, 2, 30),
                ("HairTone", 28, 36, 4, 8),
                ("ClothesTone", 42, 48, 61, 64),
            }
        )
        {
            var last = -2.0;
            for (var k = 0; k <= 10; k++)
            {
                var factors = (name == "SkinTone" ? Bald : new FaceFactors { HairVolume = 1 }).With(
                    name,
                    Math.Min(1, 0.1f * k)
                );
                var tone = Mean(Render(factors, 64), left, right, top, bottom);
                Assert.True(tone > last, $"{name} at {0.1 * k}: {tone} after {last}");
                last = tone;
            }
        }
    }

    private static float[] Render(FaceFactors factors, int size, bool rgb = false)
    {
        var renderer = new FaceRenderer(size, rgb);
        var pixels = new float[renderer.Length];
        renderer.Render(factors, pixels);
        return pixels;
    }

    private static double Mean(float[] picture, int left, int right, int top, int bottom)
    {
        var sum = 0.0;
        for (var y = top; y < bottom; y++)
        for (var x = left; x < right; x++)
            sum += picture[y * 64 + x];
        return sum / ((right - left) * (bottom - top));
    }

    /// <summary>The row of the darkest pixel of the mouth in this column of a 64-pixel picture, to a fraction by its
    /// neighbours.</summary>
    private static double DarkRow(float[] picture, int column)
    {
        var row = Enumerable.Range(42, 10).MinBy(y => picture[y * 64 + column]);
        double a = picture[(row - 1) * 64 + column],
            b = picture[row * 64 + column],
            c = picture[(row + 1) * 64 + column];
        return row + 0.5 * (a - c) / (a - 2 * b + c);
    }

    private static int BestShift(float[] from, float[] to, bool horizontal) =>
        Enumerable
            .Range(-12, 25)
            .MinBy(shift =>
            {
                var sum = 0.0;
                for (var y = 12; y < 50; y++)
                for (var x = 12; x < 52; x++)
                    sum += Math.Pow(from[y * 64 + x] - to[horizontal ? y * 64 + x + shift : (y + shift) * 64 + x], 2);
                return sum;
            });

    private static double Distance(float[] a, float[] b) =>
        Math.Sqrt(a.Zip(b, (x, y) => (double)(x - y) * (x - y)).Sum());

    private static float[] Halve(float[] picture, int size)
    {
        var half = new float[size * size / 4];
        for (var y = 0; y < size; y++)
        for (var x = 0; x < size; x++)
            half[y / 2 * (size / 2) + x / 2] += 0.25f * picture[y * size + x];
        return half;
    }

    private static double Correlation(float[] a, float[] b)
    {
        double ma = a.Average(),
            mb = b.Average();
        return a.Zip(b, (x, y) => (x - ma) * (y - mb)).Sum()
            / Math.Sqrt(a.Sum(x => (x - ma) * (x - ma)) * b.Sum(y => (y - mb) * (y - mb)));
    }
}
