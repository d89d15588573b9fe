using BalancedDiffusion.Runtime;
using Newtonsoft.Json.Linq;

namespace BalancedDiffusion.Notebook.Tests;

public class LibraryMapTests
{
    [Fact]
    public void EveryRoomOfTheLibraryIsOnTheMapAndEveryTypeInItsRoom()
    {
        var library = new[] { typeof(TorchRuntime).Assembly, typeof(LibraryMap).Assembly }
            .SelectMany(assembly => assembly.GetExportedTypes())
            .ToList();
        static IEnumerable<string> Folders(Type type) => type.Namespace!.Split('.');
        var rooms = LibraryMap.Rooms.SelectMany(room => room.Name.Split(", ")).ToList();
        Assert.Empty(library.Select(type => Folders(type).ElementAt(1)).Distinct().Except(rooms));
        foreach (var room in LibraryMap.Rooms)
        foreach (var name in room.Types)
            Assert.Contains(library, type => type.Name == name && Folders(type).Intersect(room.Name.Split(", ")).Any());
    }

    [Fact]
    public void NoTwoBoxesShareAPlaceAndAllLieOnThePage()
    {
        Assert.Equal(
            LibraryMap.Rooms.Count,
            LibraryMap.Rooms.Select(room => (room.Column, room.Row)).Distinct().Count()
        );
        var layout = (JObject)JObject.Parse(Plotly.NET.GenericChart.toFigureJson(LibraryMap.Draw()))["layout"]!;
        var boxes = layout["shapes"]!.Where(shape => (string)shape["type"]! == "rect").ToList();
        Assert.Equal(LibraryMap.Rooms.Count, boxes.Count);
        Assert.All(
            boxes.SelectMany(box => new[] { "x0", "x1", "y0", "y1" }.Select(key => (double)box[key]!)),
            at => Assert.InRange(at, 0, 1 + 1e-9)
        );
        Assert.All(
            LibraryMap.Rooms,
            room =>
                Assert.Contains(
                    layout["annotations"]!,
                    words => ((string)words["text"]!).Contains(room.Types[0], StringComparison.Ordinal)
                )
        );
    }
}
