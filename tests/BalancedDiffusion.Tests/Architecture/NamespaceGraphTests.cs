using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Tests.Architecture;

public class NamespaceGraphTests
{
    private const string Root = "NamespaceGraphSamples";

    private static readonly string Here = typeof(NamespaceGraphTests).Assembly.Location;

    [Fact]
    public void EveryWayToNameATypeIsSeen()
    {
        var graph = NamespaceGraph.Read(Here, Root);
        var users = graph.Keys.Where(name => name.StartsWith(Root + ".Uses.", StringComparison.Ordinal)).ToList();
        Assert.Equal(22, users.Count);
        foreach (var user in users)
            Assert.Equal(user.EndsWith(".Unrelated") ? [] : [Root + ".Used"], graph[user]);
    }

    [Fact]
    public void WhatAnAttributesArgumentNamesIsSeen()
    {
        var graph = NamespaceGraph.Read(Here, Root);
        var users = graph
            .Keys.Where(name => name.StartsWith(Root + ".UsesByAttribute.", StringComparison.Ordinal))
            .ToList();
        Assert.Equal(4, users.Count);
        foreach (var user in users)
            Assert.Equal(
                user.EndsWith(".None") ? [Root + ".Elsewhere"] : [Root + ".Elsewhere", Root + ".Used"],
                graph[user]
            );
    }

    [Fact]
    public void WhatLiesOutsideTheRootIsLeftOut()
    {
        Assert.Equal([Root + ".Used"], NamespaceGraph.Read(Here, Root + ".Used").Keys);
        Assert.Empty(NamespaceGraph.Read(Here, "NamespaceGraphSample"));
    }

    [Fact]
    public void EveryNamespaceOfTheLibraryIsRead()
    {
        var library = typeof(TorchRuntime).Assembly;
        var expected = library.GetTypes().Select(type => type.Namespace).Where(name => name is not null).Distinct();
        var graph = NamespaceGraph.Read(library.Location, "BalancedDiffusion");
        Assert.Equal(expected.Where(name => name!.StartsWith("BalancedDiffusion")).Order(), graph.Keys.Order());
        Assert.Contains(graph.Values, uses => uses.Count > 1);
    }

    [Fact]
    public void ACircleIsFoundAndOnlyACircle()
    {
        static IReadOnlyDictionary<string, IReadOnlySet<string>> Graph(params (string From, string[] To)[] arrows) =>
            arrows.ToDictionary(arrow => arrow.From, arrow => (IReadOnlySet<string>)new HashSet<string>(arrow.To));
        Assert.Empty(NamespaceGraph.Cycle(Graph(("A", ["B", "C"]), ("B", ["D"]), ("C", ["D"]), ("D", []))));
        Assert.Equal(
            ["B", "C", "D", "B"],
            NamespaceGraph.Cycle(Graph(("A", ["B"]), ("B", ["C"]), ("C", ["D", "E"]), ("D", ["B"]), ("E", [])))
        );
    }
}
