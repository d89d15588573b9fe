using System.IO.Compression;
using System.Text.Json;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Tests.Checkpoints;
using TorchSharp;
using static BalancedDiffusion.Tests.Networks.UNetFixtures;

namespace BalancedDiffusion.Tests.Networks.StableDiffusion;

public class ClipTokenizerTests
{
    // Letters whose lower case is no single letter, or another at the end of a word.
    private const string CapitalsOfTheirOwn = "İstanbul ΟΔΟΣ ΣΑ";

    private static IEnumerable<(string Prompt, long[] Ids)> Published() =>
        JsonDocument
            .Parse(System.IO.File.ReadAllText(File("clip-tokens.json")))
            .RootElement.EnumerateArray()
            .Select(e =>
                (
                    e.GetProperty("prompt").GetString()!,
                    e.GetProperty("ids").EnumerateArray().Select(n => n.GetInt64()).ToArray()
                )
            );

    [Fact]
    public void TokensAreThoseOfThePublishedCode()
    {
        var tokenizer = StableDiffusionGolden.Tokenizer();
        var count = 0;
        foreach (var (prompt, ids) in Published())
        {
            Assert.Equal(ids, tokenizer.Tokens(prompt));
            count++;
        }
        Assert.Equal(12, count);
    }

    [Fact]
    public void TheWholeVocabularyOfThePublishedCodeGivesTheSameTokens()
    {
        using var folder = new TemporaryFolder();
        WritePublishedFiles(
            SharedData.Path("golden", "bpe_simple_vocab_16e6.txt.gz"),
            folder.File("vocab.json"),
            folder.File("merges.txt")
        );
        var tokenizer = ClipTokenizer.FromFolder(folder.Folder);
        Assert.Equal(49408, tokenizer.Vocabulary);
        foreach (var (prompt, ids) in Published())
            Assert.Equal(ids, tokenizer.Tokens(prompt));
    }

    // Made with a few lines of Python over the published merges and Unicode's own categories.
    [Theory]
    [InlineData(
        "\U0001D4DBove \U0001D7D92 \U00020000\u6f22!",
        47110,
        249,
        15456,
        6874,
        253,
        503,
        273,
        172,
        254,
        222,
        222,
        162,
        120,
        351,
        256
    )]
    [InlineData("rock'n'roll isn't 'd", 2172, 262, 333, 262, 3341, 2923, 713, 1896)]
    [InlineData("<|STARTOFTEXT|>x<|endoftext|>!?", 49406, 343, 49407, 6004)]
    [InlineData("½ cup ² ① x\u00a0y\u2003z", 33613, 1937, 41175, 158, 239, 510, 343, 344, 345)]
    [InlineData("A&B &quot;q&quot; &#39;s &copy;", 320, 261, 321, 257, 336, 257, 568, 5811)]
    [InlineData(
        "\u0939\u093f\u0928\u094d\u0926\u0940 e\u0301",
        29446,
        26721,
        26090,
        19389,
        29552,
        25751,
        324,
        136,
        479
    )]
    [InlineData(CapitalsOfTheirOwn, 328, 16384, 11231, 138, 123, 138, 112, 138, 123, 139, 480, 139, 225, 138, 365)]
    public void WordsAreCutAndSetInLowerCaseAsUnicodeSays(string text, params int[] ids) =>
        Assert.Equal([49406, .. ids.Select(i => (long)i), 49407], StableDiffusionGolden.Tokenizer().Tokens(text));

    [Fact]
    public void TextsAreFilledUpWithTheEndAndCutWithTheEndKept()
    {
        using var scope = torch.NewDisposeScope();
        var tokenizer = StableDiffusionGolden.Tokenizer();
        var texts = Published().Select(p => p.Prompt).ToList();
        var rows = tokenizer.Encode(texts);
        Assert.Equal([12, 77], rows.shape);
        Assert.Equal(torch.int64, rows.dtype);
        for (var i = 0; i < texts.Count; i++)
        {
            var row = rows[i].data<long>().ToArray();
            var tokens = tokenizer.Tokens(texts[i]);
            Assert.Equal(tokens, row[..tokens.Count]);
            Assert.All(row[tokens.Count..], t => Assert.Equal(49407, t));
        }
        var cut = new ClipTokenizer(File("clip-vocab.json"), File("clip-merges.txt"), 5);
        Assert.Equal([49406, 320, 1125, 539, 49407], cut.Tokens(texts[1]));
        Assert.Equal([49406, 49407, 49407, 49407, 49407], cut.Encode("")[0].data<long>().ToArray());
    }

    [Fact]
    public void TheReferencesRowsAreTheTokenizers()
    {
        using var scope = torch.NewDisposeScope();
        using var io = BalancedDiffusion.Checkpoints.Safetensors.Read(
            StableDiffusionGolden.Shared("clip-text-tiny-io")
        );
        Assert.True(
            StableDiffusionGolden
                .Tokenizer()
                .Encode([.. Published().Select(p => p.Prompt)])
                .equal(io["input_ids"])
                .all()
                .item<bool>()
        );
    }

    [Fact]
    public void AnyTextGivesTokensBetweenStartAndEnd()
    {
        var tokenizer = StableDiffusionGolden.Tokenizer();
        foreach (
            var text in new[]
            {
                "\ud800",
                "a\udc00b",
                "\0\u0001",
                new string('x', 100_000),
                "\r\n\t",
                "&#x110000; &bogus; &",
                "🎨🎨🎨",
            }
        )
        {
            var tokens = tokenizer.Tokens(text);
            Assert.InRange(tokens.Count, 2, 77);
            Assert.Equal((49406, 49407), (tokens[0], tokens[^1]));
        }
    }

    [Fact]
    public void BadFilesAreRefusedInOneSentence()
    {
        using var folder = new TemporaryFolder();
        var (vocabulary, merges) = (folder.File("vocab.json"), folder.File("merges.txt"));
        var good = System.IO.File.ReadAllText(File("clip-vocab.json"));
        void Refused(string words, string json, string pairs = "")
        {
            System.IO.File.WriteAllText(vocabulary, json);
            System.IO.File.WriteAllText(merges, pairs);
            var message = Assert.Throws<InvalidDataException>(() => new ClipTokenizer(vocabulary, merges)).Message;
            Assert.Contains(words, message);
            Assert.DoesNotContain('\n', message);
        }
        Assert.Contains(
            "there is no vocab.json",
            Assert.Throws<FileNotFoundException>(() => ClipTokenizer.FromFolder(folder.Folder)).Message
        );
        Refused("it is not a JSON object of whole numbers", "{");
        Refused("it is not a JSON object of whole numbers", "null");
        Refused("it is not a JSON object of whole numbers", "{\"a\": \"b\"}");
        Refused("missing '<|startoftext|>'", good.Replace("<|startoftext|>", "<start>"));
        Refused("two tokens have one number", good.Replace("\"<|startoftext|>\":49406", "\"<|startoftext|>\":5"));
        Refused("no token has the number 17, which stands for a byte", good.Replace("\"2\":17,", "\"2\":50000,"));
        Refused("do not go with the vocabulary 'vocab.json'", good, "qqq zzz");
        Refused("do not go with the vocabulary 'vocab.json'", good, "one two three");
        Assert.Contains(
            "length must be at least 2, was 1",
            Assert
                .Throws<ArgumentOutOfRangeException>(() =>
                    new ClipTokenizer(File("clip-vocab.json"), File("clip-merges.txt"), 1)
                )
                .Message
        );
        Assert.Contains(
            "texts must hold at least one text",
            Assert.Throws<ArgumentException>(() => StableDiffusionGolden.Tokenizer().Encode()).Message
        );
    }

    /// <summary>Makes vocab.json and merges.txt of the one file of the published code: the signs of the bytes, the same
    /// at a word's end, the first 48,894 pairs, start and end.</summary>
    private static void WritePublishedFiles(string published, string vocabulary, string merges)
    {
        using var zip = new GZipStream(System.IO.File.OpenRead(published), CompressionMode.Decompress);
        using var reader = new StreamReader(zip);
        var pairs = reader.ReadToEnd().Split('\n').Skip(1).Take(48894).ToList();
        var seen = Enumerable
            .Range('!', '~' - '!' + 1)
            .Concat(Enumerable.Range('¡', '¬' - '¡' + 1))
            .Concat(Enumerable.Range('®', 'ÿ' - '®' + 1))
            .ToList();
        var signs = seen.Concat(Enumerable.Range(256, 256 - seen.Count)).Select(c => $"{(char)c}").ToList();
        List<string> tokens =
        [
            .. signs,
            .. signs.Select(s => s + "</w>"),
            .. pairs.Select(p => p.Replace(" ", "")),
            "<|startoftext|>",
            "<|endoftext|>",
        ];
        System.IO.File.WriteAllText(
            vocabulary,
            JsonSerializer.Serialize(tokens.Select((t, i) => (t, i)).ToDictionary(t => t.t, t => t.i))
        );
        System.IO.File.WriteAllText(merges, "#version: 0.2\n" + string.Join('\n', pairs) + '\n');
    }
}
