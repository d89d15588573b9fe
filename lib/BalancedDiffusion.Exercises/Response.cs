using System.Globalization;
using System.Runtime.CompilerServices;
using BalancedDiffusion.Notebook;
using TorchSharp;

namespace BalancedDiffusion.Exercises;

/// <summary>What an answer gave in one case: numbers in their shapes, or why there are none.</summary>
/// <param name="Parts">The numbers, one part a tensor or number; a tuple has several.</param>
/// <param name="Fault">What went wrong, half a sentence, or null.</param>
/// <param name="BlankIn">The function that was left blank, the answer or one that it calls; or null.</param>
internal sealed record Response(
    IReadOnlyList<(long[] Shape, double[] Values)> Parts,
    string? Fault = null,
    string? BlankIn = null
)
{
    /// <summary>Asks; whatever is thrown becomes part of the response.</summary>
    /// <param name="question">Calls the answer and gives a number, a truth value, a tensor, an array of numbers, an
    /// array of tensors, or a tuple.</param>
    public static Response To(Func<object?> question)
    {
        using var scope = torch.NewDisposeScope();
        try
        {
            return Read(question());
        }
        catch (BlankException e)
        {
            return new Response([], BlankIn: e.TargetSite?.Name ?? "");
        }
        catch (Exception e)
        {
            var said = e.Message.ReplaceLineEndings("\n").Split('\n')[0].Trim().TrimEnd('.');
            return new Response(
                [],
                $"it ended in {(e.GetType().Name is var name && "AEIOU".Contains(name[0]) ? "an" : "a")} "
                    + $"{e.GetType().Name} ({(said.Length > 140 ? said[..139] + "…" : said)})"
            );
        }
    }

    private static Response Read(object? value)
    {
        var parts = new List<(long[], double[])>();
        var items = value switch
        {
            ITuple tuple => Enumerable.Range(0, tuple.Length).Select(i => tuple[i]),
            torch.Tensor[] tensors => tensors,
            _ => [value],
        };
        foreach (var item in items)
            switch (item)
            {
                case null:
                    return new Response([], "it gave null");
                case torch.Tensor { IsInvalid: true }:
                    return new Response([], "it gave a tensor that is disposed already");
                case torch.Tensor tensor when tensor.is_complex():
                    return new Response([], "it gave complex numbers");
                case torch.Tensor tensor:
                    parts.Add(([.. tensor.shape], tensor.ToDoubles()));
                    break;
                case IEnumerable<double> numbers:
                    var array = numbers.ToArray();
                    parts.Add(([array.Length], array));
                    break;
                default:
                    parts.Add(([], [Convert.ToDouble(item, CultureInfo.InvariantCulture)]));
                    break;
            }
        return new Response(parts);
    }
}
