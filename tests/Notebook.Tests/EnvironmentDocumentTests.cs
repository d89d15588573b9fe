using System.Text.Json.Nodes;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using FsCheck;
using FsCheck.Fluent;

namespace BalancedDiffusion.Notebook.Tests;

public class EnvironmentDocumentTests
{
    [Fact]
    public void WhatIsReadIsWrittenBack()
    {
        const string json =
            "{\n \"cells\": [\n  {\n   \"attachments\": {\n    \"a.png\": {}\n   },\n   \"cell_type\": "
            + "\"markdown\",\n   \"id\": \"a\",\n   \"metadata\": {\n    \"tags\": [\n     \"x\"\n    ]\n   "
            + "},\n   \"source\": [\n    \"# é 😀 <b>&\\\\ud83d</b> 𝒩\\n\",\n    \"1.50\"\n   ]\n  }\n ],\n "
            + "\"metadata\": {\n  \"own\": 1.50\n },\n \"nbformat\": 4,\n \"nbformat_minor\": 5\n}\n";
        Assert.Equal(json, NotebookDocument.Parse(json).ToJson());
    }

    [Fact]
    public void AnyTextSurvivesTheWayThroughAFile() =>
        Prop.ForAll(
                ArbMap.Default.ArbFor<string>().Filter(s => s is not null && IsWellFormed(s)),
                text =>
                {
                    var read = NotebookDocument.Parse(NotebookDocument.Parse(EnvironmentWorkspace.Json(text)).ToJson());
                    return read.CodeCells.Single().Source == text
                        && NotebookText.Join(NotebookText.Split(text)) == text;
                }
            )
            .QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("", 0)]
    [InlineData("a", 1)]
    [InlineData("a\n", 1)]
    [InlineData("a\n\nb", 3)]
    public void ATextIsSplitAfterEachLineFeed(string text, int lines) =>
        Assert.Equal(lines, NotebookText.Split(text).Count);

    [Theory]
    [InlineData("", "not valid JSON")]
    [InlineData("[]", "no JSON object")]
    [InlineData("{\"nbformat\":3,\"cells\":[]}", "nbformat must be 4, was 3")]
    [InlineData("{\"nbformat\":4}", "no list of cells")]
    [InlineData("{\"nbformat\":4,\"cells\":[1]}", "cell 1 is not a JSON object")]
    [InlineData(
        "{\"nbformat\":4,\"cells\":[{\"cell_type\":\"heading\",\"source\":\"\"}]}",
        "cell 1 has the cell_type \"heading\""
    )]
    [InlineData("{\"nbformat\":4,\"cells\":[{\"cell_type\":\"code\"}]}", "cell 1 has no source")]
    public void WhatIsNoNotebookGetsItsSentence(string json, string sentence) =>
        Assert.Contains(sentence, Assert.Throws<FormatException>(() => NotebookDocument.Parse(json)).Message);

    [Fact]
    public void TheHashFollowsTheCodeAndNothingElse()
    {
        var document = NotebookDocument.Parse(EnvironmentWorkspace.Json("1", "2"));
        var hash = document.SourcesHash;
        document.CodeCells.First().SetResult(1, [new JsonObject()]);
        document.Cells[0].Json["source"] = "# other prose";
        Assert.Equal(hash, document.SourcesHash);
        Assert.NotEqual(hash, NotebookDocument.Parse(EnvironmentWorkspace.Json("1", "3")).SourcesHash);
        Assert.NotEqual(hash, NotebookDocument.Parse(EnvironmentWorkspace.Json("2", "1")).SourcesHash);
        Assert.NotEqual(NotebookDocument.Parse(EnvironmentWorkspace.Json("1\n2")).SourcesHash, hash);
    }

    [Fact]
    public void TheHashOfTheOutputsSurvivesAClientThatWritesTheFileAnew()
    {
        var document = NotebookDocument.Parse(EnvironmentWorkspace.Json("1", "2"));
        JsonObject Output(string data, string text) =>
            new()
            {
                ["output_type"] = "display_data",
                ["metadata"] = new JsonObject(),
                ["data"] = JsonNode.Parse(data),
                ["text"] = text,
            };
        document
            .CodeCells.First()
            .SetResult(
                1,
                [Output("""{"application/json":{"b":[0.5,1e-5,"x"],"a":null},"text/plain":"one\r\ntwo"}""", "printed")]
            );
        document.StoreHashes();
        Assert.Equal(
            (document.SourcesHash, document.OutputsHash),
            (document.StoredSourcesHash, document.StoredOutputsHash)
        );
        var again = NotebookDocument.Parse(document.ToJson());
        Assert.Equal(document.OutputsHash, again.OutputsHash);
        var cell = again.CodeCells.First();
        cell.SetResult(
            1,
            [
                new JsonObject
                {
                    ["text"] = new JsonArray("prin", "ted"),
                    ["data"] = JsonNode.Parse(
                        """{"text/plain":["one\n","two"],"application/json":{"a":null,"b":[0.50,1E-05,"x"]}}"""
                    ),
                    ["metadata"] = new JsonObject(),
                    ["output_type"] = "display_data",
                },
            ]
        );
        Assert.Equal(document.OutputsHash, again.OutputsHash);
        foreach (
            var other in new[]
            {
                """{"application/json":{"b":[0.5,2e-5,"x"],"a":null},"text/plain":"one\ntwo"}""",
                """{"application/json":{"b":[0.5,1e-5],"a":null},"text/plain":"one\ntwo"}""",
                """{"application/json":{"b":[0.5,1e-5,"x"],"a":null},"text/plain":"one two"}""",
            }
        )
        {
            cell.SetResult(1, [Output(other, "printed")]);
            Assert.NotEqual(document.OutputsHash, again.OutputsHash);
        }
    }

    [Fact]
    public void MetadataIsWhatEveryClientOpens()
    {
        var document = NotebookDocument.Parse(EnvironmentWorkspace.Json("1"));
        document.Metadata["polyglot_notebook"] = new JsonObject();
        document.SetCanonicalMetadata();
        Assert.Equal(
            """{"kernelspec":{"display_name":".NET (C#)","language":"C#","name":".net-csharp"}"""
                + ""","language_info":{"file_extension":".cs","mimetype":"text/"""
                + """x-csharp","name":"C#","pygments_lexer":"csharp"}}""",
            document.Metadata.ToJsonString()
        );
    }

    private static bool IsWellFormed(string s)
    {
        for (var i = 0; i < s.Length; i++)
        {
            if (char.IsHighSurrogate(s[i]) && i + 1 < s.Length && char.IsLowSurrogate(s[i + 1]))
                i++;
            else if (char.IsSurrogate(s[i]))
                return false;
        }
        return true;
    }
}
