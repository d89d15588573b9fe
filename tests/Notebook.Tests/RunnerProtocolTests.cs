using System.Text.Json;
using BalancedDiffusion.Reproduce.Runner.Kernel;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Notebook.Tests;

public class RunnerProtocolTests
{
    private static string Event(string type, string token, string body) =>
        $"{{\"event\":{body},\"eventType\":\"{type}\","
        + $"\"command\":{{\"token\":\"{token}\",\"commandType\":\"SubmitCode\","
        + $"\"command\":{{\"code\":\"c\"}}}},\"routingSlip\":[]}}";

    private static string Output(string type, string token, string mime, string value, string? id = null)
    {
        var (quoted, valueId) = (JsonSerializer.Serialize(value), id is null ? "null" : $"\"{id}\"");
        return Event(
            type,
            token,
            $"{{\"formattedValues\":[{{\"mimeType\":\"{mime}\",\"value\":{quoted},\"suppressDisplay\":false}}],"
                + $"\"valueId\":{valueId}}}"
        );
    }

    private static OutputCollector Collect(params string[] lines)
    {
        var collector = new OutputCollector(new OutputScrubber("/srv/somewhere/repo", "/home/anna"));
        foreach (var line in lines)
        foreach (var e in KernelLineParser.Parse(line).Events)
            collector.Add(e);
        return collector;
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("native output", "")]
    [InlineData("", "native output")]
    [InlineData("é 😀 {\"not\": \"an event\"} ", " tail")]
    [InlineData("{ [ \" ", "} ]")]
    public void AnEventIsFoundBetweenNoiseOnItsLine(string before, string after)
    {
        var (events, noise) = KernelLineParser.Parse(
            before + Event("CommandSucceeded", "cell-1", "{\"executionOrder\":0}") + after
        );
        var found = Assert.Single(events);
        Assert.Equal(("CommandSucceeded", "cell-1"), (found.Type, found.Token));
        Assert.Equal(before + after, noise);
    }

    [Fact]
    public void TwoEventsOnOneLineAreBothFound()
    {
        var line =
            Output("StandardOutputValueProduced", "cell-1", "text/plain", "a")
            + "noise"
            + Event("CommandSucceeded", "cell-1", "{}");
        Assert.Equal(
            ["StandardOutputValueProduced", "CommandSucceeded"],
            KernelLineParser.Parse(line).Events.Select(e => e.Type)
        );
    }

    [Fact]
    public void TheEndOfACommandSurvivesNoiseInItsMiddle()
    {
        var line = Event("CommandSucceeded", "cell-7", "{\"executionOrder\":0}")
            .Replace("\"code\":\"c\"", "\"co printf de\":\"c");
        var found = Assert.Single(KernelLineParser.Parse(line).Events);
        Assert.Equal(("CommandSucceeded", "cell-7"), (found.Type, found.Token));
    }

    [Fact]
    public void ALineOfManyMegabytesIsRead()
    {
        var picture = Convert.ToBase64String(new byte[6_000_000]);
        var collector = Collect(Output("DisplayedValueProduced", "cell-1", "image/png", picture));
        Assert.Equal(picture, (string?)collector.Outputs("cell-1", 1)[0]!["data"]!["image/png"]);
    }

    [Theory]
    [InlineData("cell-1", "cell-1", true)]
    [InlineData("cell-1.2", "cell-1", true)]
    [InlineData("cell-12", "cell-1", false)]
    [InlineData("cell-12.1", "cell-1", false)]
    [InlineData("", "cell-1", false)]
    public void APartOfASplitCellBelongsToTheCell(string token, string cell, bool belongs) =>
        Assert.Equal(belongs, new KernelEvent("X", token, default).BelongsTo(cell));

    [Fact]
    public void StreamsAreMergedWhileNothingStandsBetweenThem()
    {
        var outputs = Collect(
                Output("StandardOutputValueProduced", "cell-1", "text/plain", "a\r\nb"),
                Output("StandardOutputValueProduced", "cell-1.1", "text/plain", "c\n"),
                Output("StandardErrorValueProduced", "cell-1", "text/plain", "wrong\n"),
                Output("StandardOutputValueProduced", "cell-1", "text/plain", "d")
            )
            .Outputs("cell-1", 1);
        Assert.Equal(["stdout", "stderr", "stdout"], outputs.Select(o => (string?)o!["name"]));
        Assert.Equal("""["a\n","bc\n"]""", outputs[0]!["text"]!.ToJsonString());
    }

    [Fact]
    public void AnUpdateFromALaterCellChangesTheOutputWhereItStands()
    {
        var collector = Collect(
            Output("DisplayedValueProduced", "cell-1", "text/plain", "0 %", "bar"),
            Output("DisplayedValueProduced", "cell-2", "text/plain", "other", "x"),
            Output("DisplayedValueUpdated", "cell-2", "text/plain", "100 %", "bar")
        );
        Assert.Equal("100 %", NotebookText.Join(Assert.Single(collector.Outputs("cell-1", 1))!["data"]!["text/plain"]));
        Assert.Equal("other", NotebookText.Join(Assert.Single(collector.Outputs("cell-2", 2))!["data"]!["text/plain"]));
    }

    [Theory]
    [InlineData("application/json", "[1, null]", "[1,null]")]
    [InlineData("application/vnd.plotly.v1+json", "{\"a\": {\"b\": 1e-3}}", "{\"a\":{\"b\":1e-3}}")]
    [InlineData("application/geo+json", "not json", "\"not json\"")]
    public void JsonIsWrittenAsJsonAndWhatIsNoneAsText(string mime, string value, string expected) =>
        Assert.Equal(
            expected,
            Collect(Output("DisplayedValueProduced", "cell-1", mime, value)).Outputs("cell-1", 1)[0]!["data"]![
                mime
            ]!.ToJsonString()
        );

    [Fact]
    public void AddressProbesAndHiddenValuesLeaveNothing()
    {
        var hidden = Output("DisplayedValueProduced", "cell-1", "text/plain", "secret")
            .Replace("\"suppressDisplay\":false", "\"suppressDisplay\":true");
        Assert.Empty(
            Collect(
                    Output(
                        "DisplayedValueProduced",
                        "cell-1",
                        "text/html",
                        "<script>async function probeAddresses(a){}</script>"
                    ),
                    hidden
                )
                .Outputs("cell-1", 1)
        );
    }

    [Theory]
    [InlineData("/srv/somewhere/repo/notebooks/figure.png", "./figure.png")]
    [InlineData("in '/srv/somewhere/repo'", "in '..'")]
    [InlineData("file:///srv/somewhere/repo/data", "../data")]
    [InlineData("/srv/somewhere/shared/data", "../../shared/data")]
    [InlineData("/home/anna/.cache/x and /home/annabel", "~/.cache/x and /home/annabel")]
    [InlineData("C/srv/somewhere/repo", "C/srv/somewhere/repo")]
    [InlineData("/srv/somewhere/repository", "../../repository")]
    public void AbsolutePathsBecomeRelative(string text, string expected) =>
        Assert.Equal(expected, new OutputScrubber("/srv/somewhere/repo", "/home/anna").Scrub(text));

    [Fact]
    public void APathWithBackslashesIsFoundPlainAndInJson()
    {
        var scrubber = new OutputScrubber(@"C:\src\repo", @"C:\Users\anna");
        Assert.Equal(
            @"at ..\lib\A.cs and ""..\\lib"" in ~\x",
            scrubber.Scrub(@"at C:\src\repo\lib\A.cs and ""C:\\src\\repo\\lib"" in C:\Users\anna\x")
        );
    }

    [Fact]
    public void ColoursAreKeptOutOfErrors()
    {
        var error = CellError.FromKernel(
            "System.ArgumentException: \u001b[31msigma\u001b[0m was -1\n   at "
                + "Submission#3.<<Initialize>>d__0.MoveNext()\n--- End of stack trace from previous location ---\n"
                + "   at Microsoft.CodeAnalysis.Scripting.ScriptExecutionState.Run()"
        );
        Assert.Equal(("System.ArgumentException", "sigma was -1"), (error.Name, error.Message));
        Assert.Equal(
            ["System.ArgumentException: sigma was -1", "   at Submission#3.<<Initialize>>d__0.MoveNext()"],
            error.Traceback
        );
    }
}
