using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Networks.StableDiffusion;

/// <summary>
/// A vocabulary of byte pairs (Sennrich, Haddow and Birch 2016) in CLIP's file format, trained on texts. Texts are
/// cleaned and cut as <see cref="ClipTokenizer"/> does; every piece is a row of bytes, the last of which carries
/// <c>&lt;/w&gt;</c>. The most frequent pair of neighbours becomes one token, again and again; of equally frequent
/// pairs the one whose left token, then whose right token, comes first in the order of character codes. Tokens are
/// numbered as the published ones: 256 bytes, the same at the end of a word, the merged pairs in their order, start,
/// end.
/// </summary>
public sealed class ClipVocabulary
{
    // The bytes, the same at the end of a word, start and end.
    private const int Unmerged = 2 * 256 + 2;

    // A pair seen once says nothing of other texts.
    private const long LeastCount = 2;

    private static readonly JsonSerializerOptions Readable = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static readonly string[] ByteSigns = MakeByteSigns();

    private ClipVocabulary(IReadOnlyList<(string Left, string Right)> merges)
    {
        Merges = merges;
        Tokens =
        [
            .. ByteSigns,
            .. ByteSigns.Select(sign => sign + ClipTokenizer.EndOfWord),
            .. merges.Select(pair => pair.Left + pair.Right),
            ClipTokenizer.Start,
            ClipTokenizer.End,
        ];
    }

    /// <summary>The merged pairs, the first to be merged first.</summary>
    public IReadOnlyList<(string Left, string Right)> Merges { get; }

    /// <summary>Every token; its place is its number.</summary>
    public IReadOnlyList<string> Tokens { get; }

    /// <summary>Trains a vocabulary. The same texts give the same vocabulary, in whatever order they come.</summary>
    /// <param name="texts">At least one text that is not blank.</param>
    /// <param name="size">The most tokens, ≥ 515. There are fewer where no pair is left that occurs twice.</param>
    /// <exception cref="ArgumentException">There is nothing to train on.</exception>
    /// <exception cref="ArgumentOutOfRangeException">size leaves no room for a merged pair.</exception>
    public static ClipVocabulary Train(IEnumerable<string> texts, int size)
    {
        ArgumentNullException.ThrowIfNull(texts);
        Guard.AtLeast(size, Unmerged + 1);
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var piece in texts.SelectMany(ClipTokenizer.Pieces))
            counts[piece] = counts.GetValueOrDefault(piece) + 1;
        if (counts.Count == 0)
            throw new ArgumentException("texts hold no word to train on; give at least one", nameof(texts));
        var words = counts.Select(entry => (Parts: Bytes(entry.Key), Count: entry.Value)).ToArray();
        var merges = new List<(string, string)>();
        while (Unmerged + merges.Count < size)
        {
            SafePoint.Pass();
            var pairs = new Dictionary<(string Left, string Right), long>();
            foreach (var (parts, count) in words)
                for (var i = 0; i + 1 < parts.Count; i++)
                    pairs[(parts[i], parts[i + 1])] = pairs.GetValueOrDefault((parts[i], parts[i + 1])) + count;
            if (pairs.Count == 0 || pairs.Values.Max() < LeastCount)
                break;
            var most = pairs.Values.Max();
            var best = pairs
                .Where(pair => pair.Value == most)
                .Select(pair => pair.Key)
                .OrderBy(pair => pair.Left, StringComparer.Ordinal)
                .ThenBy(pair => pair.Right, StringComparer.Ordinal)
                .First();
            merges.Add(best);
            foreach (var (parts, _) in words)
                Merge(parts, best);
        }
        return new ClipVocabulary(merges);
    }

    /// <summary>Writes <c>vocab.json</c> and <c>merges.txt</c>, each whole or not at all; the folder is made where it
    /// is missing.</summary>
    /// <param name="folder">The folder, e.g. <c>tokenizer</c> of a diffusers model.</param>
    public void Save(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        var numbers = Tokens.Select((token, number) => (token, number)).ToDictionary(t => t.token, t => t.number);
        Write(Path.Combine(folder, "vocab.json"), JsonSerializer.Serialize(numbers, Readable));
        var lines = Merges.Select(pair => $"{pair.Left} {pair.Right}\n");
        Write(Path.Combine(folder, "merges.txt"), "#version: 0.2\n" + string.Concat(lines));
    }

    private static void Write(string path, string text)
    {
        using var file = new AtomicFile(path);
        File.WriteAllText(file.Temporary, text);
        file.Commit();
    }

    private static List<string> Bytes(string piece)
    {
        List<string> parts = [.. Encoding.UTF8.GetBytes(piece).Select(b => SignOf[b])];
        parts[^1] += ClipTokenizer.EndOfWord;
        return parts;
    }

    // From the left; what was just merged is not merged again.
    private static void Merge(List<string> parts, (string Left, string Right) pair)
    {
        for (var i = 0; i + 1 < parts.Count; i++)
            if (parts[i] == pair.Left && parts[i + 1] == pair.Right)
            {
                parts[i] += parts[i + 1];
                parts.RemoveAt(i + 1);
            }
    }

    private static readonly string[] SignOf = MakeSignOf();

    private static bool IsPrinted(int b) => b is >= '!' and <= '~' or >= '¡' and <= '¬' or >= '®' and <= 'ÿ';

    // GPT-2's alphabet: bytes that print stand for themselves, the others for the characters from 256 on.
    private static string[] MakeSignOf()
    {
        var signs = new string[256];
        var next = 256;
        for (var b = 0; b < 256; b++)
            signs[b] = ((char)(IsPrinted(b) ? b : next++)).ToString();
        return signs;
    }

    private static string[] MakeByteSigns()
    {
        var signs = MakeSignOf();
        var bytes = Enumerable.Range(0, 256);
        return [.. bytes.Where(IsPrinted).Concat(bytes.Where(b => !IsPrinted(b))).Select(b => signs[b])];
    }
}
