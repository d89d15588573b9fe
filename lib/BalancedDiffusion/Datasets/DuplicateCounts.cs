using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Datasets;

/// <summary>
/// How often the images of a training set occur, so that memorization can be measured against the number of duplicates,
/// image by image. Distinct images are numbered: first the chosen ones, those with the fewest occurrences first, then
/// the others, which occur once. A row is one training example; rows are sorted by their distinct image.
/// </summary>
public sealed class DuplicateCounts
{
    private readonly int[] counts;
    private readonly int[] firstRows;

    /// <summary>Numbers of occurrences.</summary>
    /// <param name="singles">How many images occur once beside the chosen ones, ≥ 0.</param>
    /// <param name="perStep">How many chosen images occur each number of times, ≥ 1.</param>
    /// <param name="steps">The numbers of occurrences, ascending, each ≥ 1; null for
    /// <see cref="StandardSteps"/>.</param>
    /// <exception cref="ArgumentException">steps is empty, not ascending or holds a number below 1.</exception>
    /// <exception cref="ArgumentOutOfRangeException">Another number is out of its range.</exception>
    public DuplicateCounts(int singles = 50_000, int perStep = 8, IReadOnlyList<int>? steps = null)
    {
        Guard.AtLeast(singles, 0);
        Guard.AtLeast(perStep, 1);
        steps ??= StandardSteps;
        if (steps.Count == 0 || steps[0] < 1 || steps.Zip(steps.Skip(1)).Any(pair => pair.First >= pair.Second))
            throw new ArgumentException(
                "steps must be numbers of occurrences of at least 1 in ascending order, was "
                    + $"({string.Join(", ", steps)})",
                nameof(steps)
            );
        Steps = [.. steps];
        Chosen = checked(perStep * steps.Count);
        Distinct = checked(Chosen + singles);
        counts = [.. steps.SelectMany(step => Enumerable.Repeat(step, perStep))];
        firstRows = new int[Chosen];
        for (var i = 0; i < Chosen; i++)
        {
            firstRows[i] = Rows;
            Rows = checked(Rows + counts[i]);
        }
        Rows = checked(Rows + singles);
    }

    /// <summary>1, 4, 16, 64, 128, 256, 512 and 1,024 occurrences.</summary>
    public static IReadOnlyList<int> StandardSteps { get; } = Array.AsReadOnly([1, 4, 16, 64, 128, 256, 512, 1024]);

    /// <summary>The numbers of occurrences among the chosen images, ascending.</summary>
    public IReadOnlyList<int> Steps { get; }

    /// <summary>How many images are chosen, those that occur once among them included: the distinct images 0, …,
    /// Chosen - 1.</summary>
    public int Chosen { get; }

    /// <summary>How many distinct images there are.</summary>
    public int Distinct { get; }

    /// <summary>How many training examples there are, duplicates counted.</summary>
    public int Rows { get; }

    /// <summary>How often a distinct image occurs.</summary>
    /// <param name="distinct">0 to Distinct - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such image.</exception>
    public int Occurrences(int distinct)
    {
        Check(distinct, Distinct, nameof(distinct));
        return distinct < Chosen ? counts[distinct] : 1;
    }

    /// <summary>The distinct image of a training example.</summary>
    /// <param name="row">0 to Rows - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    public int DistinctOf(int row)
    {
        Check(row, Rows, nameof(row));
        var after = Rows - (Distinct - Chosen);
        if (row >= after)
            return Chosen + (row - after);
        var place = Array.BinarySearch(firstRows, row);
        return place >= 0 ? place : ~place - 1;
    }

    /// <summary>The distinct image of every training example, row by row.</summary>
    public int[] RowMap() => [.. Enumerable.Range(0, Rows).Select(DistinctOf)];

    /// <summary>A distinct image must exist.</summary>
    internal void CheckDistinct(int distinct, string name) => Check(distinct, Distinct, name);

    private static void Check(int number, int count, string name)
    {
        if (number < 0 || number >= count)
            throw new ArgumentOutOfRangeException(name, $"{name} must be 0 to {count - 1}, was {number}");
    }
}
