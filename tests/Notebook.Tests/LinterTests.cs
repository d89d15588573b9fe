using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce.Runner.Linting;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Notebook.Tests;

public class LinterTests
{
    public static TheoryData<string> Committed =>
        [.. Workspace.Find(AppContext.BaseDirectory).Notebooks().Select(n => n.Stem)];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Committed))]
    public void ACommittedNotebookBreaksNoRule(string stem)
    {
        var workspace = Workspace.Find(AppContext.BaseDirectory);
        Assert.Empty(new NotebookLinter(workspace.Root).Check(workspace.Notebooks().Single(n => n.Stem == stem)));
    }

    [Fact]
    public void NothingSumsByTheNumberOfADataType()
    {
        // In sum(0) the 0 is taken for the data type Byte, not for a dimension; sum(0L) is what is meant.
        var root = Workspace.Find(AppContext.BaseDirectory).Root;
        var sources = new[] { "notebooks", "lib", "tests" }.SelectMany(folder =>
            new[] { "*.ipynb", "*.cs" }.SelectMany(kind =>
                Directory.EnumerateFiles(Path.Combine(root, folder), kind, SearchOption.AllDirectories)
            )
        );
        Assert.Empty(
            sources
                .Where(file => Regex.IsMatch(File.ReadAllText(file), @"\.(sum|prod|nansum)\(0\)"))
                .Select(file => Path.GetRelativePath(root, file))
        );
    }

    [Fact]
    public void AGoodNotebookBreaksNoRule() => Assert.Empty(Lint(_ => { }));

    public static TheoryData<LintRule, string, Action<JsonObject>> Faults =>
        new()
        {
            { LintRule.Format, "minor format", d => d["nbformat_minor"] = 4 },
            { LintRule.Metadata, "polyglot metadata", d => d["metadata"]!["polyglot_notebook"] = new JsonObject() },
            { LintRule.Metadata, "another kernel", d => d["metadata"]!["kernelspec"]!["name"] = "python3" },
            { LintRule.Metadata, "no language", d => d["metadata"]!.AsObject().Remove("language_info") },
            { LintRule.CellIds, "id twice", d => Cell(d, 2)["id"] = "title" },
            { LintRule.CellIds, "no id", d => Cell(d, 2).Remove("id") },
            { LintRule.CellIds, "bad id", d => Cell(d, 2)["id"] = "a b" },
            {
                LintRule.FirstCodeCell,
                "another first cell",
                d => Cell(d, 1)["source"] = "#!import \"lab.dib\"\nLab.Start();"
            },
            { LintRule.Executed, "not run", d => Cell(d, 2)["execution_count"] = null },
            { LintRule.Executed, "out of order", d => Cell(d, 2)["execution_count"] = 7 },
            {
                LintRule.StaticPicture,
                "no picture",
                d => Cell(d, 2)["outputs"]![0]!["data"]!.AsObject().Remove("image/png")
            },
            { LintRule.StaticPicture, "no outputs", d => Cell(d, 2)["outputs"] = new JsonArray() },
            {
                LintRule.ErrorOutput,
                "an error",
                d =>
                    AddOutput(
                        d,
                        new JsonObject
                        {
                            ["output_type"] = "error",
                            ["ename"] = "E",
                            ["evalue"] = "bad",
                            ["traceback"] = new JsonArray(),
                        }
                    )
            },
            { LintRule.NetworkAddress, "a probe", d => Stream(d, "probeAddresses([])") },
            { LintRule.NetworkAddress, "an address", d => Stream(d, "at http://8.8.4.4:80/") },
            { LintRule.NetworkAddress, "a private address", d => Stream(d, "host 192.168.0.7 answered") },
            { LintRule.AbsolutePath, "a home on Linux", d => Stream(d, "read /home/jo/x") },
            { LintRule.AbsolutePath, "a home on macOS", d => Stream(d, "\"/Users/jo\"") },
            { LintRule.AbsolutePath, "root's home", d => Stream(d, "/root/.nuget") },
            { LintRule.AbsolutePath, "a work folder", d => Stream(d, "in /work/x") },
            { LintRule.AbsolutePath, "a home on Windows", d => Stream(d, "C:\\Users\\jo") },
            { LintRule.AbsolutePath, "the repository", d => Stream(d, "/srv/clone/lib") },
            { LintRule.AbsolutePath, "a path in the source", d => Cell(d, 2)["source"] = "Load(\"/home/jo/x\")" },
            {
                LintRule.AbsolutePath,
                "a path in html json",
                d =>
                    AddOutput(
                        d,
                        new JsonObject
                        {
                            ["output_type"] = "display_data",
                            ["metadata"] = new JsonObject(),
                            ["data"] = new JsonObject
                            {
                                ["application/json"] = new JsonObject { ["p"] = "/home/jo/x" },
                            },
                        }
                    )
            },
            { LintRule.UserName, "the user", d => Stream(d, "hello annabella!") },
            { LintRule.Size, "too large", d => Stream(d, new string('x', 2_000_000)) },
            {
                LintRule.LongCell,
                "a long cell",
                d => Cell(d, 2)["source"] = string.Concat(Enumerable.Repeat("1;\n", 26))
            },
            { LintRule.LongLine, "a long line", d => Cell(d, 2)["source"] = new string('1', 101) },
            { LintRule.Title, "code first", d => d["cells"]!.AsArray().RemoveAt(0) },
            { LintRule.Title, "no title", d => Cell(d, 0)["source"] = "Prose without a title" },
            { LintRule.Sections, "a section is missing", d => Cell(d, 3)["source"] = "## Summary\n## Exercises\n" },
            { LintRule.SourcesHash, "changed after the run", d => Cell(d, 2)["source"] = "2 + 3" },
            { LintRule.SourcesHash, "cells in another order", d => Swap(d, 1, 2) },
            { LintRule.SourcesHash, "no hash", d => d["metadata"]!.AsObject().Remove("balanced_diffusion") },
            {
                LintRule.SourcesHash,
                "another hash of the sources",
                d => d["metadata"]!["balanced_diffusion"]!["sources"] = new string('0', 64)
            },
            {
                LintRule.OutputsHash,
                "another hash of the outputs",
                d => d["metadata"]!["balanced_diffusion"]!["outputs"] = new string('0', 64)
            },
            {
                LintRule.OutputsHash,
                "no hash of the outputs",
                d => d["metadata"]!["balanced_diffusion"]!.AsObject().Remove("outputs")
            },
            {
                LintRule.OutputsHash,
                "a number edited by hand",
                d => Picture(d)["data"]!["text/plain"] = "[Figure 1: A picture]\nIt shows 8."
            },
            { LintRule.OutputsHash, "another picture", d => Picture(d)["data"]!["image/png"] = "iVBORw0KGgp=" },
            { LintRule.OutputsHash, "an output more", d => Stream(d, "and more") },
            { LintRule.OutputsHash, "an output less", d => Cell(d, 2)["outputs"]!.AsArray().RemoveAt(0) },
            {
                LintRule.OutputsHash,
                "an output in another cell",
                d =>
                {
                    var moved = Picture(d);
                    Cell(d, 2)["outputs"]!.AsArray().Clear();
                    Cell(d, 1)["outputs"]!.AsArray().Add(moved);
                }
            },
            {
                LintRule.OutputsHash,
                "both the source and its hash",
                d =>
                {
                    Cell(d, 2)["source"] = "2 + 3";
                    d["metadata"]!["balanced_diffusion"]!["sources"] = NotebookDocument
                        .Parse(d.ToJsonString())
                        .SourcesHash;
                }
            },
            { LintRule.AltText, "a picture without words", d => Picture(d)["metadata"] = new JsonObject() },
            { LintRule.AltText, "a picture with blank words", d => Picture(d)["metadata"]!["image/png"]!["alt"] = " " },
            {
                LintRule.AltText,
                "a chart without words",
                d => Picture(d)["data"]!["application/vnd.plotly.v1+json"] = new JsonObject()
            },
            {
                LintRule.AltText,
                "a picture in HTML",
                d =>
                    AddOutput(
                        d,
                        new JsonObject
                        {
                            ["output_type"] = "display_data",
                            ["metadata"] = new JsonObject(),
                            ["data"] = new JsonObject
                            {
                                ["text/html"] = "<p><img src=\"data:image/png;base64,AA==\" alt=\"\"></p>",
                            },
                        }
                    )
            },
            { LintRule.AltText, "a picture in the prose", d => Cell(d, 0)["source"] = "# A title\n\n![](map.svg)" },
            {
                LintRule.AltText,
                "a picture in the prose's HTML",
                d => Cell(d, 0)["source"] = "# A title\n\n<img src=\"map.svg\">"
            },
        };

    [Theory]
    [MemberData(nameof(Faults))]
    public void EachFaultIsFound(LintRule rule, string what, Action<JsonObject> spoil)
    {
        var findings = Lint(spoil);
        Assert.True(findings.Any(f => f.Rule == rule), $"{what}: found {string.Join("; ", findings)}");
    }

    [Theory]
    [InlineData("version 10.1.0.0 of 1.2.3.4, Version=10.0.0.0")]
    [InlineData("see https://example.org/home/users/work and ~/work, ../root/x, and/or")]
    [InlineData("the square root of annabellas")]
    [InlineData("<img src=\"data:image/png;base64,iVBO+/home/AAAA/root/BB==\">")]
    public void HarmlessTextIsLeftAlone(string text) =>
        Assert.DoesNotContain(Lint(d => Stream(d, text)), finding => finding.Rule != LintRule.OutputsHash);

    [Fact]
    public void WhatBelongsTogetherNeedsNoNewRunForProseOrForAnotherClientSSpelling()
    {
        Assert.Empty(
            Lint(d =>
                Cell(d, 0)["source"] = "# A small notebook\n\nwith other prose and ![a map of the folders](map.svg)"
            )
        );
        // As a client writes it that splits texts into lines and sorts its keys.
        Assert.Empty(
            Lint(d =>
            {
                Cell(d, 2)["source"] = new JsonArray("1 ", "+ 2");
                var picture = Picture(d);
                picture["data"] = new JsonObject
                {
                    ["text/plain"] = new JsonArray("[Figure 1: A picture]\n", "It shows 7."),
                    ["image/png"] = picture["data"]!["image/png"]!.GetValue<string>(),
                    ["application/json"] = JsonNode.Parse("[1e0, 0.50]"),
                };
            })
        );
    }

    [Fact]
    public void AFindingSaysWhichNotebookToPublish() =>
        Assert.Equal(
            "00-x: the outputs are not those of these sources, which were changed after the run; run 'publish 00'",
            Lint(d => Cell(d, 2)["source"] = "2 + 3").Single(f => f.Rule == LintRule.SourcesHash).ToString()
        );

    [Fact]
    public void WhatIsNoJsonIsOneFinding() =>
        Assert.Equal(LintRule.Format, Assert.Single(new NotebookLinter().Check("x", "{")).Rule);

    private static IReadOnlyList<LintFinding> Lint(Action<JsonObject> spoil)
    {
        var document = NotebookDocument.Parse(EnvironmentWorkspace.Json(NotebookLinter.FirstCell, "1 + 2"));
        var json = document.Json;
        var picture = new JsonObject
        {
            ["output_type"] = "display_data",
            ["metadata"] = new JsonObject { ["image/png"] = new JsonObject { ["alt"] = "It shows 7." } },
            ["data"] = new JsonObject
            {
                ["image/png"] = "iVBORw0KGgo=",
                ["text/plain"] = "[Figure 1: A picture]\nIt shows 7.",
                ["application/json"] = new JsonArray(1, 0.5),
            },
        };
        var i = 0;
        foreach (var cell in document.CodeCells)
            cell.SetResult(++i, i == 2 ? [picture] : []);
        json["cells"]!
            .AsArray()
            .Add(
                new JsonObject
                {
                    ["cell_type"] = "markdown",
                    ["id"] = "end",
                    ["metadata"] = new JsonObject(),
                    ["source"] =
                        "## 1. What you will learn\n\n## Summary\n\n## Exercises\n\n## References and "
                        + "further reading\n",
                }
            );
        document.SetCanonicalMetadata();
        document.StoreHashes();
        spoil(json);
        return new NotebookLinter("/srv/clone", ["annabella"]).Check(
            "00-x",
            json.ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping })
        );
    }

    private static JsonObject Cell(JsonObject document, int index) => document["cells"]![index]!.AsObject();

    private static JsonObject Picture(JsonObject document) => Cell(document, 2)["outputs"]![0]!.AsObject();

    private static void Swap(JsonObject document, int first, int second) =>
        (Cell(document, first)["source"], Cell(document, second)["source"]) = (
            Cell(document, second)["source"]!.DeepClone(),
            Cell(document, first)["source"]!.DeepClone()
        );

    private static void AddOutput(JsonObject document, JsonObject output) =>
        Cell(document, 2)["outputs"]!.AsArray().Add(output);

    private static void Stream(JsonObject document, string text) =>
        AddOutput(
            document,
            new JsonObject
            {
                ["output_type"] = "stream",
                ["name"] = "stdout",
                ["text"] = new JsonArray(text),
            }
        );
}
