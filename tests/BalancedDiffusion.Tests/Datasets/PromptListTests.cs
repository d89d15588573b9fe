using BalancedDiffusion.Datasets;

namespace BalancedDiffusion.Tests.Datasets;

public class PromptListTests
{
    private static IReadOnlyList<PromptLine> Read(string text, string name = "list.jsonl")
    {
        using var scratch = new ScratchFolder();
        return PromptList.Read(scratch.Write(name, System.Text.Encoding.UTF8.GetBytes(text)));
    }

    private static string Refusal(string text, string name = "list.jsonl") =>
        Assert.Throws<InvalidDataException>(() => Read(text, name)).Message;

    [Fact]
    public void TheLinesOfThePublishedListsAreRead()
    {
        const string caption = "I Survived Sunnydale High | Unisex T-Shirt";
        var lines = Read(
            $$"""
            {"caption": "{{caption}}", "index": 1659224392, "url": "https://host/fc,220x200.jpg"}

            {"prompt": "a caf\u00e9 — \"quoted\"", "seed": 3}
            {"text": "third", "class": null}
            {"class": 207}
            {"label": 0, "text": "a class and a text"}
            {"Prompt": "as the authors' list of other prompts has it"}
            """ + "\r\n"
        );
        string?[] texts =
        [
            caption,
            "a café — \"quoted\"",
            "third",
            null,
            "a class and a text",
            "as the authors' list of other prompts has it",
        ];
        Assert.Equal(texts, lines.Select(l => l.Text));
        Assert.Equal([null, null, null, 207, 0, null], lines.Select(l => l.Class));
        Assert.Equal(("https://host/fc,220x200.jpg", 1659224392L), (lines[0].Url, lines[0].Index));
        Assert.Equal(
            (null, (long?)null, 3),
            (lines[1].Url, lines[1].Index, lines[1].Fields.GetProperty("seed").GetInt32())
        );
    }

    [Fact]
    public void APlainTextHasOnePromptALineAndAByteOrderMarkIsPassedOver()
    {
        Assert.Equal(
            ["one", "two {\"caption\""],
            Read("\ufeffone\n\n  two {\"caption\" \n", "list.txt").Select(l => l.Text)
        );
        Assert.Equal("x", Read("\ufeff{\"caption\":\"x\"}").Single().Text);
        Assert.Null(Read("one", "list.txt").Single().Url);
    }

    [Fact]
    public void BadLinesAreNamedByNumberAndAFewOfMany()
    {
        var message = Refusal(
            "{\"caption\":\"good\"}\n{\"caption\":\n\n[1]\n{\"caption\":3}\n{\"class\":-1}\n{\"class\":1.5}\n"
                + "{\"url\":\"x\"}\n{\"caption\":\" \"}\n{\"caption\":\"\\ud800\"}\nnull\n"
        );
        Assert.Equal(
            "the list of prompts 'list.jsonl' cannot be read: line 2 is not a JSON object; line 4 is not a "
                + "JSON object; line 5 has a caption that is not a text; line 6 has a class that is not a whole "
                + "number ≥ 0; "
                + "line 7 has a class that is not a whole number ≥ 0; line 8 has neither a caption, prompt or "
                + "text nor a class or label; line 9 has a caption that is not a text; line 10 is not a JSON "
                + "object and 1 more; correct the lines or take them out",
            message
        );
        Assert.Contains("is empty; write one object such as", Refusal("\n \n"));
        Assert.Contains("is empty; write one prompt a line", Refusal("", "list.txt"));
        using var scratch = new ScratchFolder();
        Assert.Contains(
            "is not UTF-8 text",
            Assert.Throws<InvalidDataException>(() => PromptList.Read(scratch.Write("x.txt", 0x41, 0xff, 0xfe))).Message
        );
        Assert.Throws<FileNotFoundException>(() => PromptList.Read(scratch["none.jsonl"]));
    }
}
