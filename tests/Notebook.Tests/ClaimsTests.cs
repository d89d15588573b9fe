using System.Text.Json;
using System.Text.Json.Nodes;

namespace BalancedDiffusion.Notebook.Tests;

[Collection("claims")]
public sealed class ClaimsTests : IDisposable
{
    private readonly string path = Path.Combine(Path.GetTempPath(), $"claims-{Guid.NewGuid():N}", "claims.jsonl");

    public ClaimsTests() => Claims.Begin("03-memorization", path);

    public void Dispose()
    {
        if (Directory.Exists(Path.GetDirectoryName(path)!))
            Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    [Fact]
    public void EachClaimIsOneLineOfJson()
    {
        Claims.Check("norms", "column norms \"match\"\nCorollary 3.2", 0.9797, Relation.Within(0.001), 0.98);
        Claims.Check("loss", "below σ²", 0.05, Relation.AtMost, 0.04);
        Claims.Skip("celeba", "CelebA is not here");
        var lines = File.ReadAllLines(path).Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.Equal(3, lines.Count);
        Assert.Equal("03-memorization", lines[0].GetProperty("notebook").GetString());
        Assert.Equal("norms", lines[0].GetProperty("id").GetString());
        Assert.Equal("column norms \"match\"\nCorollary 3.2", lines[0].GetProperty("statement").GetString());
        Assert.Equal(0.9797, lines[0].GetProperty("measured").GetDouble());
        Assert.Equal("=±0.001", lines[0].GetProperty("relation").GetString());
        Assert.Equal(0.98, lines[0].GetProperty("bound").GetDouble());
        Assert.True(lines[0].GetProperty("holds").GetBoolean());
        Assert.True(lines[0].GetProperty("seconds").GetDouble() >= 0);
        Assert.False(lines[1].GetProperty("holds").GetBoolean());
        Assert.Equal("<=", lines[1].GetProperty("relation").GetString());
        Assert.Equal(JsonValueKind.Null, lines[2].GetProperty("holds").ValueKind);
        Assert.Equal(JsonValueKind.Null, lines[2].GetProperty("measured").ValueKind);
        Assert.Equal("CelebA is not here", lines[2].GetProperty("skipped").GetString());
        Assert.Single(Claims.All, claim => claim.Outcome == ClaimOutcome.Fails);
    }

    [Fact]
    public void ASkippedClaimDoesNotFailTheRun()
    {
        Claims.Check("a", "one is one", 1, Relation.Within(0), 1);
        Claims.Skip("b", "no data");
        Assert.DoesNotContain(Claims.All, claim => claim.Outcome == ClaimOutcome.Fails);
    }

    [Fact]
    public void AKnownExceptionIsShownWithItsNumberAndDoesNotFailTheRun()
    {
        var claim = Claims.Check(
            "a",
            "the reader reads",
            0.4,
            Relation.AtLeast,
            0.5,
            "photographs have labels of yes and no"
        );
        Assert.True(claim.IsExcepted);
        Assert.False(claim.Holds);
        Assert.DoesNotContain(Claims.All, claim => claim.Outcome == ClaimOutcome.Fails);
        var line = JsonDocument.Parse(File.ReadAllLines(path).Single()).RootElement;
        Assert.Equal(JsonValueKind.Null, line.GetProperty("holds").ValueKind);
        Assert.Equal(
            ("photographs have labels of yes and no", 0.4, 0.5),
            (
                line.GetProperty("skipped").GetString(),
                line.GetProperty("measured").GetDouble(),
                line.GetProperty("bound").GetDouble()
            )
        );
    }

    [Theory]
    [InlineData(0.25, true, null, ClaimOutcome.Holds, "✓ holds", "0.25", "≤ 0.5")]
    [InlineData(double.NaN, false, null, ClaimOutcome.Fails, "✗ fails", "NaN", "≤ 0.5")]
    [InlineData(0.75, false, "photographs", ClaimOutcome.Exception, "– exception", "0.75", "≤ 0.5")]
    public void AClaimIsReadBackAsItWasWritten(
        double measured,
        bool holds,
        string? skipped,
        ClaimOutcome outcome,
        string outcomeText,
        string measuredText,
        string boundText
    )
    {
        var claim = new Claim("03-a", "a", "a \"statement\"", measured, "<=", 0.5, holds, 1.25, skipped);
        Assert.Equal(claim, Claim.FromJson(JsonNode.Parse(claim.ToJson().ToJsonString())));
        Assert.Equal(claim with { Seconds = 0 }, Claim.FromJson(claim.ToJson(withSeconds: false)));
        Assert.Equal(
            (outcome, outcomeText, measuredText, boundText),
            (claim.Outcome, claim.OutcomeText, claim.MeasuredText, claim.BoundText)
        );
    }

    [Fact]
    public void ASkippedClaimIsReadBackAsItWasWritten()
    {
        var claim = new Claim("03-a", "a", "no data", double.NaN, "", double.NaN, false, 0, "no data");
        Assert.Equal(claim, Claim.FromJson(JsonNode.Parse(claim.ToJson().ToJsonString())));
        Assert.Equal(
            (ClaimOutcome.Skipped, "– skipped", "", ""),
            (claim.Outcome, claim.OutcomeText, claim.MeasuredText, claim.BoundText)
        );
    }

    [Fact]
    public void AnExceptionThatIsNotNeededChangesNothing()
    {
        var claim = Claims.Check(
            "a",
            "the reader reads",
            0.6,
            Relation.AtLeast,
            0.5,
            "photographs have labels of yes and no"
        );
        Assert.True(claim.Holds);
        Assert.False(claim.IsExcepted);
        Assert.Null(claim.Skipped);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    public void WhatIsNotFiniteNeverMeetsABound(double measured)
    {
        Relation[] all =
        [
            Relation.AtMost,
            Relation.AtLeast,
            Relation.Below,
            Relation.Above,
            Relation.Within(5),
            Relation.WithinFraction(0.5),
        ];
        for (var i = 0; i < all.Length; i++)
        {
            Assert.True(all[i].Holds(1, 1) || all[i].Holds(0, 1) || all[i].Holds(2, 1));
            Assert.False(all[i].Holds(measured, 1));
            Assert.False(Claims.Check($"claim-{i}", "s", measured, all[i], 1).Holds);
        }
        foreach (var line in File.ReadAllLines(path))
            JsonDocument.Parse(line);
    }

    [Fact]
    public void NaNIsNotAtLeastAnything() =>
        Assert.False(Claims.Check("least", "s", double.NaN, Relation.AtLeast, -1e300).Holds);

    [Theory]
    [InlineData(double.NaN, "NaN")]
    [InlineData(double.PositiveInfinity, "Infinity")]
    [InlineData(double.NegativeInfinity, "-Infinity")]
    public void ABoundThatIsNotFiniteIsRefused(double bound, string word)
    {
        Assert.Contains(
            $"the bound of claim 'a' must be finite, was {word}",
            Assert.Throws<ArgumentException>(() => Claims.Check("a", "s", 1, Relation.AtMost, bound)).Message
        );
        Assert.Contains(
            $"the bound must be finite, was {word}",
            Assert.Throws<ArgumentException>(() => Relation.AtMost.Holds(1, bound)).Message
        );
        Assert.Empty(Claims.All);
    }

    [Fact]
    public void OneNameForTwoClaimsIsAMistake()
    {
        Claims.Check("a", "one", 1, Relation.AtLeast, 0);
        Assert.Contains(
            "'a'",
            Assert.Throws<ArgumentException>(() => Claims.Check("a", "one", 1, Relation.AtLeast, 0)).Message
        );
        Assert.Single(File.ReadAllLines(path));
    }

    [Fact]
    public void ACellRunAgainByHandReplacesItsClaim()
    {
        Claims.Begin("by-hand", null);
        Claims.Check("a", "one", 1, Relation.AtLeast, 2);
        Claims.Check("a", "one", 3, Relation.AtLeast, 2);
        Assert.True(Assert.Single(Claims.All).Holds);
        Assert.Throws<ArgumentException>(() => Claims.Check("a", "another statement", 3, Relation.AtLeast, 2));
    }

    [Theory]
    [InlineData("")]
    [InlineData("two words")]
    [InlineData("a\"b")]
    public void ABadNameIsQuoted(string id) =>
        Assert.Contains(
            $"'{id}'",
            Assert.Throws<ArgumentException>(() => Claims.Check(id, "s", 1, Relation.AtLeast, 0)).Message
        );

    [Theory]
    [InlineData(1.0, true, true, false, false)]
    [InlineData(0.5, true, false, true, false)]
    [InlineData(1.5, false, true, false, true)]
    public void TheRelationsAreThoseOfArithmetic(double measured, bool atMost, bool atLeast, bool below, bool above)
    {
        Assert.Equal(atMost, Relation.AtMost.Holds(measured, 1));
        Assert.Equal(atLeast, Relation.AtLeast.Holds(measured, 1));
        Assert.Equal(below, Relation.Below.Holds(measured, 1));
        Assert.Equal(above, Relation.Above.Holds(measured, 1));
        Assert.Equal(measured == 1, Relation.Within(0.25).Holds(measured, 1));
        Assert.True(Relation.WithinFraction(0.5).Holds(measured, 1));
    }
}
