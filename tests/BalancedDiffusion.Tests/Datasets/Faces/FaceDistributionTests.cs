using BalancedDiffusion.Datasets.Faces;

namespace BalancedDiffusion.Tests.Datasets.Faces;

public class FaceDistributionTests
{
    private const int Draws = 20_000;
    private static readonly Lazy<FaceFactors[]> Sample = new(() =>
        Enumerable.Range(0, Draws).Select(i => FaceDistribution.Draw(7, i)).ToArray()
    );

    [Fact]
    public void TheSameSeedAndIndexDrawTheSameFaceAndOthersAnother()
    {
        foreach (var index in new[] { 0L, 5, 1L << 40, long.MaxValue })
            Assert.Equal(FaceDistribution.Draw(3, index), FaceDistribution.Draw(3, index));
        Assert.Equal(Draws, Sample.Value.Distinct().Count());
        Assert.NotEqual(FaceDistribution.Draw(3, 5), FaceDistribution.Draw(4, 5));
    }

    [Theory]
    [InlineData("hat", 0.12)]
    [InlineData("glasses", 0.22)]
    [InlineData("dark glass", 0.25)]
    [InlineData("open mouth", 0.35)]
    [InlineData("bald", 0.08)]
    [InlineData("short", 0.34)]
    [InlineData("fringe", 0.16)]
    [InlineData("long", 0.28)]
    [InlineData("curly", 0.14)]
    [InlineData("beard", 0.72 * 0.34 + 0.28 * 0.04)]
    [InlineData("moustache", 0.72 * 0.28 + 0.28 * 0.03)]
    [InlineData("lipstick", 0.72 * 0.1 + 0.28 * 0.6)]
    [InlineData("beard and moustache", 0.72 * 0.34 * 0.28 + 0.28 * 0.04 * 0.03)]
    [InlineData("hat and glasses", 0.12 * 0.22)]
    public void EventsHappenAsOftenAsDocumented(string name, double probability)
    {
        Func<FaceFactors, bool> happens = name switch
        {
            "hat" => f => f.Hat > 0,
            "glasses" => f => f.Glasses > 0,
            "dark glass" => f => f.GlassesTint > 0.5f,
            "open mouth" => f => f.MouthOpen > 0,
            "bald" => f => f.HairCover <= 0.25f,
            "long" => f => f.HairLength >= 0.55f,
            "fringe" => f => f.Fringe >= 0.65f && f.HairLength <= 0.45f,
            "curly" => f => f.Curl >= 0.65f && f.HairLength <= 0.45f,
            "short" => f => f.HairCover >= 0.65f && f.HairLength <= 0.3f && f.Fringe <= 0.4f && f.Curl <= 0.3f,
            "beard" => f => f.Beard > 0,
            "moustache" => f => f.Moustache > 0,
            "lipstick" => f => f.LipColor >= 0.3f,
            "beard and moustache" => f => f.Beard > 0 && f.Moustache > 0,
            _ => f => f.Hat > 0 && f.Glasses > 0,
        };
        var count = Sample.Value.Count(happens);
        Assert.InRange(
            count - Draws * probability,
            -4 * Math.Sqrt(Draws * probability * (1 - probability)),
            4 * Math.Sqrt(Draws * probability * (1 - probability))
        );
    }

    [Theory]
    [InlineData(
        0,
        1,
        "FaceWidth",
        "Jaw",
        "EyeSize",
        "EyeSpacing",
        "BrowWeight",
        "NoseSize",
        "MouthWidth",
        "LipFullness",
        "SkinTone",
        "SkinWarmth",
        "EyeTone",
        "HairTone",
        "BackgroundTone",
        "BackgroundHue",
        "BackgroundAngle",
        "ClothesTone",
        "ClothesHue",
        "HatBrim",
        "HatTone",
        "Age"
    )]
    [InlineData(-1, 1, "Part", "GazeX", "GazeY", "LightX", "BackgroundGradient")]
    [InlineData(-1, 0.5, "LightY")]
    [InlineData(0.2, 1, "LightStrength")]
    [InlineData(-0.6, 1, "Smile")]
    [InlineData(0.9, 1.1, "Scale")]
    public void UniformFactorsFollowTheirDistribution(double least, double most, params string[] names)
    {
        foreach (var name in names)
            AssertFollows(name, x => (x - least) / (most - least));
    }

    [Theory]
    [InlineData("Yaw", 1)]
    [InlineData("Pitch", 0.9)]
    [InlineData("Tilt", 0.8)]
    [InlineData("ShiftX", 1)]
    [InlineData("ShiftY", 1)]
    public void PoseFollowsATriangle(string name, double half) =>
        AssertFollows(name, x => x < 0 ? 0.5 * Math.Pow(1 + x / half, 2) : 1 - 0.5 * Math.Pow(1 - x / half, 2));

    [Fact]
    public void RedHairFollowsTheSquareOfAUniform() => AssertFollows("HairRed", Math.Sqrt);

    [Fact]
    public void FactorsThatAreDocumentedAsIndependentAreUncorrelated()
    {
        string[] tied = ["HairCover", "HairLength", "HairVolume", "Fringe", "Curl", "Beard", "Moustache", "LipColor"];
        var names = FaceFactors.Names;
        var columns = names.Select(Standardized).ToArray();
        for (var a = 0; a < columns.Length; a++)
        {
            for (var b = 0; b < a; b++)
            {
                if (tied.Contains(names[a]) && tied.Contains(names[b]))
                    continue;
                var correlation = columns[a].Zip(columns[b], (x, y) => x * y).Average();
                Assert.True(
                    Math.Abs(correlation) < 4.8 / Math.Sqrt(Draws),
                    $"{names[a]} and {names[b]}: {correlation}"
                );
            }
        }
    }

    [Fact]
    public void NeighbouringFacesAreUncorrelated()
    {
        foreach (var name in FaceFactors.Names)
        {
            var column = Standardized(name);
            var correlation = column.Skip(1).Zip(column, (x, y) => x * y).Average();
            Assert.True(Math.Abs(correlation) < 4.5 / Math.Sqrt(Draws), $"{name}: {correlation}");
        }
    }

    private static double[] Standardized(string name)
    {
        var values = Sample.Value.Select(f => (double)f[name]).ToArray();
        var mean = values.Average();
        var deviation = Math.Sqrt(values.Average(x => (x - mean) * (x - mean)));
        return values.Select(x => (x - mean) / deviation).ToArray();
    }

    /// <summary>The Kolmogorov–Smirnov distance; above 2.2/√n has probability 2·exp(-2·2.2²) = 1.3e-4.</summary>
    private static void AssertFollows(string name, Func<double, double> distribution)
    {
        var values = Sample.Value.Select(f => (double)f[name]).Order().ToArray();
        var distance = values
            .Select(
                (x, i) =>
                    Math.Max(
                        Math.Abs(distribution(x) - (double)i / Draws),
                        Math.Abs(distribution(x) - (i + 1.0) / Draws)
                    )
            )
            .Max();
        Assert.True(distance < 2.2 / Math.Sqrt(Draws), $"{name}: {distance}");
    }
}
