using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using BalancedDiffusion.Runtime;
using Microsoft.ML.Tokenizers;
using TorchSharp;

namespace BalancedDiffusion.Networks.StableDiffusion;

/// <summary>
/// CLIP's tokenizer (Radford et al. 2021): a text is freed of HTML entities and double blanks and set in lower case,
/// cut into runs of letters, single digits and runs of other signs, and each of these into the byte pairs of the
/// model's own <c>vocab.json</c> and <c>merges.txt</c>. The merging is that of Microsoft.ML.Tokenizers. Texts are taken
/// to be composed (NFC) and are not repaired as the Python package ftfy would.
/// </summary>
public sealed partial class ClipTokenizer
{
    internal const string Start = "<|startoftext|>",
        End = "<|endoftext|>",
        EndOfWord = "</w>";

    // Every byte has a sign for the inside of a word and one for its end.
    private const int ByteSigns = 512;

    // .NET sees the letters and digits beyond 16 bits as two halves: mathematical ones and rare Chinese ones are named
    // here.
    private const string Letter = @"(?:\p{L}|\ud835[\udc00-\udfcb]|[\ud840-\ud8bf][\udc00-\udfff])";
    private const string Digit = @"(?:\p{N}|\ud835[\udfce-\udfff])";
    private readonly BpeTokenizer merges;
    private readonly long start,
        end;

    /// <summary>A tokenizer over a model's own files.</summary>
    /// <param name="vocabulary">The path of <c>vocab.json</c>: the number of every token.</param>
    /// <param name="merges">The path of <c>merges.txt</c>: pairs of signs, the first to be merged first.</param>
    /// <param name="length">The length of what <see cref="Encode"/> gives, ≥ 2: 77 for CLIP.</param>
    /// <exception cref="FileNotFoundException">A file is not there.</exception>
    /// <exception cref="InvalidDataException">The files are not those of a CLIP tokenizer; the message says
    /// why.</exception>
    public ClipTokenizer(string vocabulary, string merges, int length = 77)
    {
        Guard.AtLeast(length, 2);
        Length = length;
        var numbers = Numbers(Text(vocabulary, "vocabulary"));
        Vocabulary = numbers.Values.Max() + 1;
        (start, end) = (numbers[Start], numbers[End]);
        var special = new Dictionary<string, int> { [Start] = numbers[Start], [End] = numbers[End] };
        try
        {
            this.merges = BpeTokenizer.Create(
                new BpeOptions(numbers)
                {
                    Merges = Text(merges, "merges")
                        .Split('\n')
                        .Select(line => line.TrimEnd('\r'))
                        .Where(line => line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal)),
                    SpecialTokens = special,
                    PreTokenizer = new RegexPreTokenizer(Words(), special),
                    ByteLevel = true,
                    EndOfWordSuffix = EndOfWord,
                }
            );
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            throw new InvalidDataException(
                $"the merges '{Path.GetFileName(merges)}' do not go with the vocabulary "
                    + $"'{Path.GetFileName(vocabulary)}' ({Listing.Printable(Sentence.First(e.Message))}); take "
                    + "both from one model",
                e
            );
        }
    }

    /// <summary>A tokenizer of a diffusers folder <c>tokenizer</c>, which holds <c>vocab.json</c> and
    /// <c>merges.txt</c>.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="FileNotFoundException">A file is not there.</exception>
    /// <exception cref="InvalidDataException">The files are not those of a CLIP tokenizer.</exception>
    public static ClipTokenizer FromFolder(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        return new ClipTokenizer(Path.Combine(folder, "vocab.json"), Path.Combine(folder, "merges.txt"));
    }

    /// <summary>The length of what <see cref="Encode"/> gives.</summary>
    public int Length { get; }

    /// <summary>One more than the greatest token: 49,408 for CLIP.</summary>
    public long Vocabulary { get; }

    /// <summary>The tokens of a text: the start, those of the text, and the end, cut to <see cref="Length"/> with the
    /// end kept.</summary>
    /// <param name="text">Any text, the empty one included.</param>
    public IReadOnlyList<long> Tokens(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return [start, .. merges.EncodeToIds(Clean(text), considerNormalization: false).Take(Length - 2), end];
    }

    /// <summary>The tokens of texts, filled up with the end to one length.</summary>
    /// <param name="texts">At least one text.</param>
    /// <returns>(texts, Length), int64. The caller owns it.</returns>
    /// <exception cref="ArgumentException">There is no text.</exception>
    public torch.Tensor Encode(params IReadOnlyList<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        if (texts.Count == 0)
            throw new ArgumentException(
                "texts must hold at least one text, was empty; for no condition take the empty text",
                nameof(texts)
            );
        var rows = new long[texts.Count * Length];
        Array.Fill(rows, end);
        for (var i = 0; i < texts.Count; i++)
        {
            var tokens = Tokens(texts[i]);
            for (var j = 0; j < tokens.Count; j++)
                rows[i * Length + j] = tokens[j];
        }
        return torch.tensor(rows, [texts.Count, Length]);
    }

    /// <summary>The pieces of a cleaned text within which byte pairs are merged.</summary>
    internal static IEnumerable<string> Pieces(string text) =>
        Words().Matches(Clean(text)).Select(match => match.Value);

    // Published captions hold entities of entities, so they are resolved twice.
    private static string Clean(string text) =>
        Lower(Blanks().Replace(WebUtility.HtmlDecode(WebUtility.HtmlDecode(text)), " ").Trim());

    // .NET turns one sign into one, wherever it stands; Unicode has two that differ.
    private static string Lower(string text) =>
        FinalSigma().Replace(text, "ς").Replace("İ", "i\u0307", StringComparison.Ordinal).ToLowerInvariant();

    private static string Text(string path, string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path, name);
        return File.Exists(path)
            ? File.ReadAllText(path)
            : throw new FileNotFoundException(
                $"there is no {Path.GetFileName(path)} at '{path}'; the tokenizer's vocab.json and merges.txt "
                    + "come with the model",
                path
            );
    }

    private static Dictionary<string, int> Numbers(string json)
    {
        InvalidDataException Refusal(string why, Exception? cause = null) =>
            new($"the vocabulary is not that of a CLIP tokenizer: {why}", cause);
        Dictionary<string, int>? numbers;
        try
        {
            numbers = JsonSerializer.Deserialize<Dictionary<string, int>>(json);
        }
        catch (JsonException e)
        {
            throw Refusal("it is not a JSON object of whole numbers", e);
        }
        if (numbers is null)
            throw Refusal("it is not a JSON object of whole numbers");
        if (new[] { Start, End }.Where(token => !numbers.ContainsKey(token)).ToList() is { Count: > 0 } missing)
            throw Refusal($"missing {Listing.Of(missing)}");
        if (numbers.Values.Distinct().Count() != numbers.Count)
            throw Refusal("two tokens have one number");
        if (numbers.Values.Any(n => n < 0))
            throw Refusal("a token has a number below 0");
        if (Enumerable.Range(0, ByteSigns).Except(numbers.Values).ToList() is { Count: > 0 } free)
            throw Refusal($"no token has the number {free[0]}, which stands for a byte");
        return numbers;
    }

    [GeneratedRegex(@"[\s\x1c-\x1f]+")]
    private static partial Regex Blanks();

    [GeneratedRegex(@"(?<=\p{L})Σ(?!\p{L})")]
    private static partial Regex FinalSigma();

    [GeneratedRegex(
        $@"'s|'t|'re|'ve|'m|'ll|'d|{Letter}+|{Digit}|(?:(?!{Letter}|{Digit})(?:[\ud800-\udbff][\udc00-\udfff]|\S))+"
    )]
    private static partial Regex Words();
}
