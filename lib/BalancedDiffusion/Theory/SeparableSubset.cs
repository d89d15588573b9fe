using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Theory;

/// <summary>Samples of a data set that stand at large angles to each other, so that the memorization theorem applies to
/// them.</summary>
/// <param name="Indices">Their row numbers, ascending.</param>
/// <param name="LargestCosine">The largest pairwise cosine among them; negative when all angles are obtuse.</param>
/// <param name="WorstPair">The two row numbers with that cosine.</param>
public sealed record SeparableSubset(
    IReadOnlyList<int> Indices,
    double LargestCosine,
    (int First, int Second) WorstPair
)
{
    /// <summary>Finds as many samples as possible, up to <paramref name="most"/>, that point away from each other:
    /// every pairwise cosine below 0.</summary>
    /// <param name="samples">Samples, (n, d), any floating type.</param>
    /// <param name="most">The most to pick, ≥ 2.</param>
    /// <param name="seed">Which starts are drawn.</param>
    /// <exception cref="InvalidOperationException">Not even two of the samples have a negative cosine.</exception>
    public static SeparableSubset FindObtuse(torch.Tensor samples, int most, long seed)
    {
        Guard.AtLeast(most, 2);
        for (var count = most; count >= 2; count--)
        {
            var found = Find(samples, count, seed);
            if (found.LargestCosine < 0)
                return found;
        }
        throw new InvalidOperationException(
            "no two of the samples point away from each other; give more samples, or centre them"
        );
    }

    /// <summary>
    /// Searches for the subset with the smallest largest cosine: from many starts one sample after the other is added
    /// that is farthest from those chosen, then single samples are exchanged as long as that helps. A heuristic: what
    /// it finds is measured exactly, but a better one may exist. The Gram matrix is never held; only columns of chosen
    /// samples are (n · starts · count numbers at most).
    /// </summary>
    /// <param name="samples">Samples, (n, d), any floating type. Rows of zeros are passed over.</param>
    /// <param name="count">How many to pick, ≥ 2.</param>
    /// <param name="seed">Which starts are drawn.</param>
    /// <param name="starts">How many starts, ≥ 1.</param>
    /// <exception cref="ArgumentException">Fewer than <paramref name="count"/> samples differ from zero, or a value is
    /// not finite.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A count is out of range.</exception>
    public static SeparableSubset Find(torch.Tensor samples, int count, long seed, int starts = 128)
    {
        Guard.AtLeast(count, 2);
        Guard.AtLeast(starts, 1);
        Guard.Shape(samples, [-1, -1]);
        Guard.Finite(samples);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var rows = samples.detach().cpu().to(torch.ScalarType.Float32);
        var n = (int)rows.shape[0];
        // Scaled by its largest entry first, so that a tiny or huge row neither vanishes nor overflows in the norm.
        var largest = n == 0 || rows.shape[1] == 0 ? torch.zeros(n, 1) : rows.abs().amax([1], keepdim: true);
        var usable = largest.squeeze(1).gt(0).data<bool>().ToArray();
        var candidates = Enumerable.Range(0, n).Where(i => usable[i]).ToArray();
        if (candidates.Length < count)
            throw new ArgumentException(
                $"{count} samples were asked for, but only {candidates.Length} of {n} differ from zero",
                nameof(samples)
            );
        var units = rows / torch.where(largest > 0, largest, torch.ones_like(largest));
        units = units / units.norm(1, keepdim: true).clamp(min: 1e-30f);

        var random = new Random(unchecked((int)Seeds.Derive(seed, "separable subset")));
        random.Shuffle(candidates);
        var sets = candidates.Take(starts).Select(first => new Search(n, first)).ToArray();
        AddColumns(units, n, sets, sets.Select(s => s.Members[0]).ToArray());
        for (var size = 1; size < count; size++)
        {
            SafePoint.Pass();
            Parallel.ForEach(sets, set => set.Next = set.Farthest(usable, without: -1).Index);
            foreach (var set in sets)
                set.Members.Add(set.Next);
            AddColumns(units, n, sets, sets.Select(s => s.Next).ToArray());
        }
        for (var open = sets; open.Length > 0; )
        {
            SafePoint.Pass();
            Parallel.ForEach(open, set => set.Exchange(usable));
            open = open.Where(set => set.Next >= 0).ToArray();
            if (open.Length > 0)
                AddColumns(units, n, open, open.Select(s => s.Next).ToArray());
        }
        var best = sets.MinBy(set => set.Largest)!;
        var indices = best.Members.Order().ToArray();
        var chosen = Float64.Of(
            samples.detach().cpu().index_select(0, torch.tensor(indices.Select(i => (long)i).ToArray()))
        );
        var report = Separability.MeasureSamples(chosen / chosen.abs().amax([1], keepdim: true));
        return new(indices, report.Beta, (indices[report.WorstPair.First], indices[report.WorstPair.Second]));
    }

    /// <summary>Appends to each set the cosines of its newest member with all samples: one product for all
    /// sets.</summary>
    private static void AddColumns(torch.Tensor units, int n, Search[] sets, int[] members)
    {
        using var scope = torch.NewDisposeScope();
        using var index = torch.tensor(members.Select(i => (long)i).ToArray());
        var cosines = torch.matmul(units.index_select(0, index), units.t()).data<float>().ToArray();
        for (var s = 0; s < sets.Length; s++)
            sets[s].Columns.Add(cosines.AsSpan(s * n, n).ToArray());
    }

    private sealed class Search(int n, int first)
    {
        public readonly List<int> Members = [first];
        public readonly List<float[]> Columns = [];
        public int Next = -1;

        /// <summary>The largest cosine between two members.</summary>
        public float Largest
        {
            get
            {
                var largest = float.NegativeInfinity;
                for (var i = 0; i < Members.Count; i++)
                for (var j = 0; j < i; j++)
                    largest = Math.Max(largest, Columns[j][Members[i]]);
                return largest;
            }
        }

        /// <summary>The sample whose largest cosine with the members (but one) is smallest.</summary>
        public (int Index, float Cosine) Farthest(bool[] usable, int without)
        {
            var (index, smallest) = (-1, float.PositiveInfinity);
            for (var i = 0; i < n; i++)
            {
                if (!usable[i])
                    continue;
                var largest = float.NegativeInfinity;
                for (var m = 0; m < Columns.Count && largest < smallest; m++)
                    if (m != without && Columns[m][i] > largest)
                        largest = Columns[m][i];
                if (largest < smallest && !Members.Contains(i))
                    (index, smallest) = (i, largest);
            }
            return (index, smallest);
        }

        /// <summary>Makes the exchange of one member that lowers the largest cosine most; <see cref="Next"/> is the new
        /// one, or -1 where none helps.</summary>
        public void Exchange(bool[] usable)
        {
            Next = -1;
            var (best, position, replacement) = (Largest - 1e-6f, -1, -1);
            for (var without = 0; without < Members.Count; without++)
            {
                var rest = float.NegativeInfinity;
                for (var i = 0; i < Members.Count; i++)
                for (var j = 0; j < i; j++)
                    if (i != without && j != without)
                        rest = Math.Max(rest, Columns[j][Members[i]]);
                if (rest >= best)
                    continue;
                var (index, cosine) = Farthest(usable, without);
                if (index >= 0 && Math.Max(rest, cosine) < best)
                    (best, position, replacement) = (Math.Max(rest, cosine), without, index);
            }
            if (position < 0)
                return;
            Members.RemoveAt(position);
            Columns.RemoveAt(position);
            Members.Add(replacement);
            Next = replacement;
        }
    }
}
