using BalancedDiffusion.Runtime;
using Newtonsoft.Json.Linq;

namespace BalancedDiffusion.Notebook.Tests;

public class LibraryMapTests
{
    [Fact]
    public void TheMapHoldsEveryFolderOfTheLibraryAndEveryTypeInItsFolder()
    {
        var library = new[] { typeof(TorchRuntime).Assembly, typeof(LibraryMap).Assembly }
            .SelectMany(assembly => assembly.GetExportedTypes())
            .ToList();
        static string FolderOf(Type type) => type.Namespace!.Split('.')[1];
        Assert.Equal(library.Select(FolderOf).Distinct().Order(), LibraryMap.Folders.Select(f => f.Name).Order());
        foreach (var folder in LibraryMap.Folders)
        foreach (var name in folder.Types)
            Assert.Contains(library, type => type.Name == name && FolderOf(type) == folder.Name);
    }

    [Fact]
    public void NoTwoBoxesShareAPlaceAndAllLieOnThePage()
    {
        Assert.Equal(
            LibraryMap.Folders.Count,
            LibraryMap.Folders.Select(folder => (folder.Column, folder.Row)).Distinct().Count()
        );
        var layout = (JObject)JObject.Parse(Plotly.NET.GenericChart.toFigureJson(LibraryMap.Draw()))["layout"]!;
        var boxes = layout["shapes"]!.Where(shape => (string)shape["type"]! == "rect").ToList();
        Assert.Equal(LibraryMap.Folders.Count, boxes.Count);
        Assert.All(
            boxes.SelectMany(box => new[] { "x0", "x1", "y0", "y1" }.Select(key => (double)box[key]!)),
            offset => Assert.InRange(offset, 0, 1 + 1e-9)
        );
        Assert.All(
            LibraryMap.Folders,
            folder =>
                Assert.Contains(
                    layout["annotations"]!,
                    words => ((string)words["text"]!).Contains(folder.Types[0], StringComparison.Ordinal)
                )
        );
    }
}
