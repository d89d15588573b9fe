using System.Linq.Expressions;
using System.Runtime.CompilerServices;
using BalancedDiffusion.Exercises;
using TorchSharp;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>Every exercise that is registered, against answers of every kind; and the sentences on one whose mistakes
/// are known.</summary>
public sealed class ExerciseCheckTests
{
    private const int Seed = 20261126;

    public static TheoryData<string> Ids => [.. ExerciseRegistry.All.Select(e => e.Id)];

    [Theory]
    [MemberData(nameof(Ids))]
    public void TheTruthPassesWhateverTheSeed(string id)
    {
        foreach (var seed in Enumerable.Range(0, 20))
            Assert.Equal(new Verdict(Outcome.Passed, "right in all 8 cases"), Find(id).Judge(Find(id).Truth, seed));
    }

    [Theory]
    [MemberData(nameof(Ids))]
    public void EachKnownMistakeIsRefusedWithItsOwnSentence(string id)
    {
        foreach (var (sentence, wrong) in Find(id).Slips)
        foreach (var seed in Enumerable.Range(0, 5))
        {
            var verdict = Find(id).Judge(wrong, seed);
            Assert.Equal(Outcome.Wrong, verdict.Outcome);
            Assert.StartsWith(sentence, verdict.Sentence);
        }
    }

    [Theory]
    [MemberData(nameof(Ids))]
    public void ABlankIsCalledOne(string id)
    {
        Assert.Equal(new Verdict(Outcome.Blank, "not answered yet"), Find(id).Judge(null, Seed));
        Assert.Equal(
            new Verdict(Outcome.Blank, "not answered yet"),
            Find(id).Judge(Like(Find(id), _ => throw new BlankException()), Seed)
        );
    }

    // What every exercise must refuse: answers that do not depend on the inputs, that are no numbers, of the wrong
    // shape, or that throw.
    public static TheoryData<string, string> Refused =>
        [
            .. ExerciseRegistry.All.SelectMany(e =>
                Wrong.Keys.Select(kind => new TheoryDataRow<string, string>(e.Id, kind))
            ),
        ];

    private static readonly Dictionary<string, Func<object?, object?>> Wrong = new()
    {
        ["zero"] = r => Map(r, _ => 0),
        ["one"] = r => Map(r, _ => 1),
        ["NaN"] = r => Map(r, _ => double.NaN),
        ["infinite"] = r => Map(r, _ => double.PositiveInfinity),
        ["another shape"] = r =>
            r is torch.Tensor t ? torch.cat([t.reshape(1, -1), t.reshape(1, -1)], 0) : Map(r, _ => -1e9),
        ["null"] = r => r is torch.Tensor ? null : Map(r, _ => -1e9),
        ["thrown"] = _ => throw new InvalidOperationException("no idea\nat all"),
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void NonsenseIsRefusedInOneSentence(string id, string kind) =>
        AssertRefused(Find(id).Judge(Like(Find(id), Wrong[kind]), Seed));

    [Theory]
    [MemberData(nameof(Ids))]
    public void TheRightAnswerOfOneCaseDoesNotDoForAll(string id)
    {
        object? first = null;
        AssertRefused(
            Find(id)
                .Judge(
                    Like(Find(id), r => first ??= r is torch.Tensor t ? t.clone().DetachFromDisposeScope() : r),
                    Seed
                )
        );
        (first as IDisposable)?.Dispose();
    }

    [Theory]
    [MemberData(nameof(Ids))]
    public void AnAnswerOfAnotherTypeIsToldWhatIsAskedFor(string id)
    {
        var exercise = Find(id);
        foreach (
            var answer in new object[]
            {
                3.5,
                "0.5",
                torch.zeros(3),
                new Func<string, string>(s => s),
                new Action(() => { }),
            }
        )
        {
            var verdict = exercise.Judge(answer, Seed);
            Assert.Equal(Outcome.Unusable, verdict.Outcome);
            Assert.Contains(exercise.Signature, verdict.Sentence);
            Assert.DoesNotContain('\n', verdict.Sentence);
        }
    }

    [Fact]
    public void EveryExerciseHasANumberAndATitleOfItsOwn()
    {
        Assert.All(ExerciseRegistry.All, e => Assert.Matches(@"^\d\d\.\d+$", e.Id));
        Assert.Equal(ExerciseRegistry.All.Count, ExerciseRegistry.All.Select(e => e.Id).Distinct().Count());
        Assert.Equal(ExerciseRegistry.All.Count, ExerciseRegistry.All.Select(e => e.Title).Distinct().Count());
        foreach (var chapter in ExerciseRegistry.All.GroupBy(e => e.Id[..2]))
            Assert.Equal(
                Enumerable.Range(1, chapter.Count()).Select(i => $"{chapter.Key}.{i}"),
                chapter.Select(e => e.Id)
            );
    }

    private static readonly Exercise<Func<double[], int, double, double>> Sample = new(
        "99.1",
        "A mean",
        truth: (x, n, sigma) => x.Sum(Math.Abs) / n * sigma * sigma,
        ask: (draw, mean) =>
            draw.Whole("n", 3, 30) is var n ? mean(draw.Normal(n).ToDoubles(), n, draw.Between("sigma", 0.2, 3)) : null,
        slips: new Slip<Func<double[], int, double, double>>(
            "the numbers may be negative",
            (x, n, sigma) => x.Sum() / n * sigma * sigma
        )
    );

    private static double Mean(double[] x, int n, double sigma) => x.Sum(Math.Abs) / n * sigma * sigma;

    public static TheoryData<string, Func<double[], int, double, double>> Sentences =>
        new()
        {
            { "the sign is wrong", (x, n, sigma) => -Mean(x, n, sigma) },
            { "it is off by the factor n", (x, n, sigma) => Mean(x, n, sigma) * n },
            { "it is off by the factor 1/n", (x, n, sigma) => Mean(x, n, sigma) / n },
            { "it is off by the factor sigma (", (x, n, sigma) => Mean(x, n, sigma) * sigma },
            { "it is off by the factor 1/sigma²", (x, n, sigma) => Mean(x, n, sigma) / sigma / sigma },
            { "it is off by a factor that goes with sigma", (x, n, sigma) => 3 * Mean(x, n, sigma) * sigma },
            { "it is off by a constant factor", (x, n, sigma) => Mean(x, n, sigma) * 2 },
            { "it looks like the square root of what is asked for", (x, n, sigma) => Math.Sqrt(Mean(x, n, sigma)) },
            { "it looks like the square of what is asked for", (x, n, sigma) => Math.Pow(Mean(x, n, sigma), 2) },
            { "it looks like one over what is asked for", (x, n, sigma) => 1 / Mean(x, n, sigma) },
            { "every number is off by the same amount", (x, n, sigma) => Mean(x, n, sigma) + 1 },
            { "the numbers may be negative", (x, n, sigma) => x.Sum() / n * sigma * sigma },
            { "it gives the same whatever its inputs are", (_, _, _) => 0.25 },
            { "it is NaN or infinite where n = ", (_, _, _) => double.NaN },
            {
                "it ended in an IndexOutOfRangeException (Index was outside the bounds of the array) where n = ",
                (x, n, _) => x[n]
            },
            {
                "it ended in a FormatException (what?) where n = ",
                (_, _, _) => throw new FormatException("what?\nmore")
            },
            { "right in ", (x, n, sigma) => Mean(x, n, sigma) + (n < 10 ? n : 0) },
            { "not the right numbers: off by ", (x, n, sigma) => Mean(x, n, sigma) + x[0] * n },
        };

    [Theory]
    [MemberData(nameof(Sentences))]
    public void AMistakeIsNamed(string start, Func<double[], int, double, double> answer)
    {
        var verdict = Sample.Judge(answer, 3);
        Assert.Equal(Outcome.Wrong, verdict.Outcome);
        Assert.StartsWith(start, verdict.Sentence);
        Assert.EndsWith(" (seed: 3 repeats these inputs)", verdict.Sentence);
        Assert.Equal(verdict, Sample.Judge(answer, 3));
    }

    [Fact]
    public void ABlankThatAnAnswerCallsIsNamed()
    {
        static double Helper() => throw new BlankException();
        Assert.Matches(
            "^it calls .*, which is not answered yet|^not answered yet$",
            Sample.Judge(new Func<double[], int, double, double>((_, _, _) => Helper()), 1).Sentence
        );
        Assert.Equal(
            "it calls Blank, which is not answered yet",
            Sample.Judge(new Func<double[], int, double, double>((_, _, _) => Blank()), 1).Sentence
        );
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static double Blank() => throw new BlankException();

    private static readonly Exercise<Func<torch.Tensor, (torch.Tensor, double)>> Pair = new(
        "99.2",
        "Two values",
        truth: x => (x.square(), x.sum().ToDouble()),
        ask: (draw, both) => both(draw.Normal(draw.Whole("n", 2, 9)))
    );

    [Theory]
    [InlineData("value 1 of 2: its shape is (1, ", 1)]
    [InlineData("value 2 of 2: the sign is wrong", 2)]
    [InlineData("value 1 of 2: 1 of ", 3)]
    [InlineData("it gave a tensor that is disposed already where n = ", 4)]
    [InlineData("it gave null where n = ", 5)]
    [InlineData("it gave complex numbers where n = ", 6)]
    public void OfSeveralValuesTheWrongOneIsNamed(string start, int mistake)
    {
        var verdict = Pair.Judge(
            new Func<torch.Tensor, (torch.Tensor, double)>(x =>
                mistake switch
                {
                    1 => (x.square().unsqueeze(0), x.sum().ToDouble()),
                    2 => (x.square(), -x.sum().ToDouble()),
                    3 => (x.square().index_fill(0, torch.tensor(0L), double.NaN), 0),
                    4 => (Disposed(), 0),
                    5 => (null!, 0),
                    _ => (torch.complex(x, x), 0),
                }
            ),
            Seed
        );
        Assert.StartsWith(start, verdict.Sentence);
    }

    [Fact]
    public void Float32IsPreciseEnough() =>
        Assert.Equal(
            Outcome.Passed,
            Pair.Judge(
                new Func<torch.Tensor, (torch.Tensor, double)>(x =>
                    (x.to_type(torch.float32).square(), x.to_type(torch.float32).sum().ToDouble())
                ),
                Seed
            ).Outcome
        );

    [Fact]
    public void WhatIsNoExerciseAndWhatIsNoAnswerThrowNothing()
    {
        Check.Exercise("99.9", new Func<double>(() => 1));
        Check.Exercise("", null);
        Check.Exercise(null!, "text");
        Check.Exercise("01.1", 3.0, seed: -5);
        Check.Table();
    }

    private static torch.Tensor Disposed()
    {
        var tensor = torch.zeros(2);
        tensor.Dispose();
        return tensor;
    }

    private static Exercise Find(string id) => ExerciseRegistry.Find(id)!;

    private static void AssertRefused(Verdict verdict)
    {
        Assert.Equal(Outcome.Wrong, verdict.Outcome);
        Assert.DoesNotContain('\n', verdict.Sentence);
        Assert.True(verdict.Sentence.Length < 320, verdict.Sentence);
        Assert.Matches(@"\(seed: \d+ repeats these inputs\)$", verdict.Sentence);
    }

    // An answer of the exercise's own type: the truth, and then something done to what it gives.
    private static Delegate Like(Exercise exercise, Func<object?, object?> change)
    {
        var method = exercise.Truth.Method;
        var parameters = method.GetParameters().Select(p => Expression.Parameter(p.ParameterType, p.Name)).ToArray();
        Func<object?[], object?> body = arguments => change(exercise.Truth.DynamicInvoke(arguments));
        var call = Expression.Invoke(
            Expression.Constant(body),
            Expression.NewArrayInit(typeof(object), parameters.Select(p => Expression.Convert(p, typeof(object))))
        );
        return Expression
            .Lambda(exercise.Truth.GetType(), Expression.Convert(call, method.ReturnType), parameters)
            .Compile();
    }

    private static object? Map(object? result, Func<double, double> change) =>
        result switch
        {
            torch.Tensor t => torch.full_like(t.to_type(torch.float64), change(0)),
            double d => change(d),
            int i => double.IsFinite(change(i)) ? (int)change(i) : int.MinValue,
            bool b => double.IsNaN(change(0)) || !b,
            double[] array => array.Select(change).ToArray(),
            torch.Tensor[] tensors => tensors.Select(t => (torch.Tensor)Map(t, change)!).ToArray(),
            ITuple tuple => Activator.CreateInstance(
                tuple.GetType(),
                Enumerable.Range(0, tuple.Length).Select(i => Map(tuple[i], change)).ToArray()
            ),
            _ => throw new NotSupportedException($"teach this test what is nonsense for a {result?.GetType().Name}"),
        };
}
