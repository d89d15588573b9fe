using System.Text.Json;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Tests.Checkpoints;

namespace BalancedDiffusion.Tests.Networks.StableDiffusion;

public class ClipVocabularyTests
{
    private const int Captions = 20000;

    private static readonly Lazy<(IReadOnlyList<string> Texts, ClipVocabulary Vocabulary)> OfFaces = new(() =>
    {
        var texts = new CaptionedFaces().Captions(0, Captions);
        return (texts, ClipVocabulary.Train(texts, 2000));
    });

    [Fact]
    public void ASmallCorpusIsMergedAsByHand()
    {
        // low four times, lower twice: w</w> ends the one, er</w> the other.
        //   l o   6    o w</w> 4    o w 2    w e 2    e r</w> 2
        // 1. l o (6). Then lo w</w> 4, lo w 2, w e 2, e r</w> 2.
        // 2. lo w</w> (4). Then lo w, w e and e r</w> occur twice each; e comes first among their left tokens.
        // 3. e r</w> (2). 4. Of lo w (2) and w er</w> (2), lo comes first. 5. low er</w> (2). Nothing is left.
        var trained = ClipVocabulary.Train(["low LOW", "lower low  low lower"], 600);
        Assert.Equal([("l", "o"), ("lo", "w</w>"), ("e", "r</w>"), ("lo", "w"), ("low", "er</w>")], trained.Merges);
        Assert.Equal(514 + 5, trained.Tokens.Count);
        Assert.Equal("low</w>", trained.Tokens[512 + 1]);
        Assert.Equal(["<|startoftext|>", "<|endoftext|>"], trained.Tokens.Skip(517));
        Assert.Equal(trained.Merges.Take(2), ClipVocabulary.Train(["low LOW", "lower low  low lower"], 516).Merges);
        // A pair seen once is not learned.
        Assert.Empty(ClipVocabulary.Train(["once"], 600).Merges);
    }

    [Fact]
    public void BytesAreNumberedAsInThePublishedFile()
    {
        using var folder = new TemporaryFolder();
        ClipVocabulary.Train(["aa aa"], 515).Save(folder.Folder);
        var numbers = JsonSerializer.Deserialize<Dictionary<string, int>>(
            System.IO.File.ReadAllText(folder.File("vocab.json"))
        )!;
        // Of openai/clip-vit-large-patch14: vocab.json.
        var published = new (string Token, int Number)[]
        {
            ("!", 0),
            ("\"", 1),
            ("a", 64),
            ("~", 93),
            ("¡", 94),
            ("¬", 105),
            ("®", 106),
            ("ÿ", 187),
            ("Ā", 188),
            ("Ń", 255),
            ("!</w>", 256),
            ("a</w>", 320),
            ("Ń</w>", 511),
        };
        foreach (var (token, number) in published)
            Assert.Equal(number, numbers[token]);
        Assert.Equal("#version: 0.2\na a</w>\n", System.IO.File.ReadAllText(folder.File("merges.txt")));
    }

    [Fact]
    public void TheTokenizerReadsItAndGivesOneTokenAWord()
    {
        var (texts, vocabulary) = OfFaces.Value;
        using var folder = new TemporaryFolder();
        vocabulary.Save(folder.Folder);
        var tokenizer = ClipTokenizer.FromFolder(folder.Folder);
        Assert.InRange(tokenizer.Vocabulary, 1000, 2000);
        Assert.Equal(vocabulary.Tokens.Count, tokenizer.Vocabulary);
        Assert.Equal(
            [tokenizer.Vocabulary - 2, tokenizer.Vocabulary - 1],
            new[] { tokenizer.Tokens("")[0], tokenizer.Tokens("")[^1] }
        );
        foreach (
            var word in new[] { "young", "old", "glasses", "sunglasses", "beard", "moustache", "background", "hat" }
        )
        {
            var tokens = tokenizer.Tokens(word);
            Assert.Equal(3, tokens.Count);
            Assert.Equal(word + "</w>", vocabulary.Tokens[(int)tokens[1]]);
        }
        double sum = 0;
        var most = 0;
        var unseen = new CaptionedFaces().HeldOutCaptions(5000);
        foreach (var text in texts.Concat(unseen))
        {
            var tokens = tokenizer.Tokens(text);
            var words = string.Concat(tokens.Skip(1).SkipLast(1).Select(t => vocabulary.Tokens[(int)t]));
            // Blanks around signs are lost, as in CLIP.
            Assert.Equal(text.Replace(" ", ""), words.Replace("</w>", ""));
            (sum, most) = (sum + tokens.Count, Math.Max(most, tokens.Count));
        }
        Assert.InRange(most, 10, 24);
        TestContext.Current.SendDiagnosticMessage(
            $"{tokenizer.Vocabulary} tokens; a caption has {sum / (texts.Count + unseen.Count):F2}, at most {most}"
        );
    }

    [Fact]
    public void TheSameTextsGiveTheSameVocabularyInAnyOrder()
    {
        var texts = OfFaces.Value.Texts.Take(500).ToList();
        var first = ClipVocabulary.Train(texts, 700);
        Assert.Equal(first.Merges, ClipVocabulary.Train(texts.AsEnumerable().Reverse(), 700).Merges);
        Assert.Equal(700, first.Tokens.Count);
        Assert.Equal(700, first.Tokens.Distinct().Count());
    }

    [Fact]
    public void NothingToTrainOnIsRefused()
    {
        Assert.Contains("no word", Assert.Throws<ArgumentException>(() => ClipVocabulary.Train([" "], 600)).Message);
        Assert.Contains(
            "size must be at least 515, was 514",
            Assert.Throws<ArgumentOutOfRangeException>(() => ClipVocabulary.Train(["a"], 514)).Message
        );
        Assert.Throws<ArgumentNullException>(() => ClipVocabulary.Train(null!, 600));
    }
}
