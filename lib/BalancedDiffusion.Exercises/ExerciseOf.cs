using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Exercises;

/// <summary>An exercise whose answer is a function of one type.</summary>
/// <param name="id">Chapter and number, e.g. <c>03.2</c>.</param>
/// <param name="title">The title, as in the notebook's heading.</param>
/// <param name="truth">A right answer, from the library or a closed form; its parameters carry the names of the
/// text.</param>
/// <param name="ask">
/// Draws inputs, calls the answer with them, and gives what is to be compared: what the answer gave, or what follows
/// from it where several answers are right. Must do the same for the same draw, and give other results for other draws.
/// </param>
/// <param name="tolerance">How far results may be apart, as a fraction of the largest number of the truth; loose enough
/// for float32.</param>
/// <param name="slips">Mistakes to recognise.</param>
internal sealed class Exercise<TAnswer>(
    string id,
    string title,
    TAnswer truth,
    Func<Draw, TAnswer, object?> ask,
    double tolerance = 1e-4,
    params Slip<TAnswer>[] slips
) : Exercise
    where TAnswer : Delegate
{
    /// <summary>How many cases an answer must be right in.</summary>
    public const int Cases = 8;

    /// <inheritdoc/>
    public override string Id => id;

    /// <inheritdoc/>
    public override string Title => title;

    /// <inheritdoc/>
    public override string Signature => Describe(truth);

    /// <inheritdoc/>
    public override Delegate Truth => truth;

    /// <inheritdoc/>
    public override IReadOnlyList<(string Sentence, Delegate Wrong)> Slips =>
        [.. slips.Select(s => (s.Sentence, (Delegate)s.Wrong))];

    /// <inheritdoc/>
    public override Verdict Judge(object? answer, long seed)
    {
        if (answer is null)
            return new Verdict(Outcome.Blank, "not answered yet");
        if ((answer as TAnswer ?? Convert(answer)) is not { } function)
            return new Verdict(
                Outcome.Unusable,
                $"the answer must be a function {Signature}; yours is "
                    + $"{(answer is Delegate other ? Describe(other) : $"of type {Name(answer.GetType())}")}"
            );
        var cases = new List<Case>();
        for (var i = 0; i < Cases; i++)
        {
            var given = Give(function, seed, i, out _);
            if (given.BlankIn is { } blank)
                return
                    blank != function.Method.Name
                    && blank.All(c => char.IsLetterOrDigit(c) || c == '_')
                    && blank.Length > 0
                    ? new Verdict(Outcome.Wrong, $"it calls {blank}, which is not answered yet")
                    : new Verdict(Outcome.Blank, "not answered yet");
            var expected = Give(truth, seed, i, out var draw);
            cases.Add(new Case(draw, expected, given));
            if (given.Fault is { } fault)
                return Wrong($"{fault}{draw.Where}", seed);
        }
        if (Diagnosis.IsRight(cases, tolerance))
            return new Verdict(Outcome.Passed, $"right in all {Cases} cases");
        var slip = slips.FirstOrDefault(s =>
            Diagnosis.IsRight(
                [.. cases.Select((c, i) => c with { Expected = Give(s.Wrong, seed, i, out _) })],
                tolerance
            )
        );
        return Wrong(slip?.Sentence ?? Diagnosis.Of(cases, tolerance), seed);
    }

    private Response Give(TAnswer answer, long seed, int number, out Draw draw)
    {
        var inputs = new Draw(Seeds.Derive(seed, number));
        draw = inputs;
        return Response.To(() => ask(inputs, answer));
    }

    // The compiler gives functions that fit no Func a type of their own.
    private static TAnswer? Convert(object answer) =>
        answer is Delegate other
            ? (TAnswer?)Delegate.CreateDelegate(typeof(TAnswer), other.Target, other.Method, throwOnBindFailure: false)
            : null;

    private static Verdict Wrong(string sentence, long seed) =>
        new(Outcome.Wrong, $"{sentence} (seed: {seed} repeats these inputs)");
}
