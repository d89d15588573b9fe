using System.Xml.Linq;
using BalancedDiffusion.Datasets.Faces;

namespace BalancedDiffusion.Tests.Datasets.Faces;

public class FaceFactorsTests
{
    [Fact]
    public void TheDocumentationOfAFactorSaysTheMeaningAndTheRangeThatAreEnforced()
    {
        var file = Path.ChangeExtension(typeof(FaceFactors).Assembly.Location, ".xml");
        var summaries = XDocument
            .Load(file)
            .Descendants("member")
            .ToDictionary(member => (string)member.Attribute("name")!, member => (string?)member.Element("summary"));
        Assert.All(
            FaceFactors.All,
            factor =>
            {
                var summary = summaries[$"P:{typeof(FaceFactors).FullName}.{factor.Name}"]!;
                var meaning = char.ToUpperInvariant(factor.Meaning[0]) + factor.Meaning[1..];
                Assert.Equal(
                    FormattableString.Invariant($"{meaning}. In [{factor.Min}, {factor.Max}]."),
                    string.Join(' ', summary.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
                );
            }
        );
    }

    [Fact]
    public void EveryPropertyIsListedWithItsRangeAndOnlyOnce()
    {
        var properties = typeof(FaceFactors)
            .GetProperties()
            .Where(p => p.PropertyType == typeof(float) && p.GetIndexParameters().Length == 0)
            .Select(p => p.Name)
            .Order();
        Assert.Equal(properties, FaceFactors.All.Select(f => f.Name).Order());
        Assert.Equal(FaceFactors.All.Select(f => f.Name), FaceFactors.Names);
        Assert.All(FaceFactors.All, f => Assert.True(f.Min < f.Max && f.Meaning.Length > 10));
    }

    [Fact]
    public void WithSetsTheNamedPropertyAndNoOther()
    {
        var neutral = new FaceFactors();
        foreach (var factor in FaceFactors.All)
        {
            var value = neutral[factor.Name] == factor.Max ? factor.Min : factor.Max;
            var changed = neutral.With(factor.Name.ToLowerInvariant(), value);
            foreach (var name in FaceFactors.Names)
            {
                var property = (float)typeof(FaceFactors).GetProperty(name)!.GetValue(changed)!;
                Assert.Equal(name == factor.Name ? value : neutral[name], property);
                Assert.Equal(property, changed[name]);
            }
        }
    }

    [Fact]
    public void TheNeutralFaceLiesInEveryRange() =>
        Assert.All(FaceFactors.All, f => Assert.InRange(new FaceFactors()[f.Name], f.Min, f.Max));

    [Fact]
    public void ValuesOutsideTheRangeAndNaNAreRefusedWithTheirNameAndValue()
    {
        foreach (var factor in FaceFactors.All)
        {
            foreach (
                var bad in new[]
                {
                    factor.Min - 0.25f,
                    factor.Max + 0.25f,
                    float.NaN,
                    float.PositiveInfinity,
                    float.NegativeInfinity,
                }
            )
            {
                var error = Assert.Throws<ArgumentOutOfRangeException>(() => new FaceFactors().With(factor.Name, bad));
                Assert.Contains(
                    $"{factor.Name} must be between {factor.Min} and {factor.Max}, was {bad}",
                    error.Message
                );
            }
        }
    }

    [Fact]
    public void AnUnknownNameIsRefusedWithTheNearestNames()
    {
        var error = Assert.Throws<ArgumentException>(() => new FaceFactors()["Nose"]);
        Assert.Contains("'Nose'", error.Message);
        Assert.Contains("NoseSize", error.Message);
        Assert.Throws<ArgumentException>(() => new FaceFactors().With("", 0));
        Assert.Throws<ArgumentNullException>(() => new FaceFactors().With(null!, 0));
    }
}
