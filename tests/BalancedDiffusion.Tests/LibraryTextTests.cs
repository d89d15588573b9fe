using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using BalancedDiffusion.Denoisers;

namespace BalancedDiffusion.Tests;

/// <summary>The library does not know how it is started: what it says names no command.</summary>
public class LibraryTextTests
{
    private static List<string> Literals()
    {
        using var file = new PEReader(File.OpenRead(typeof(IDenoiser).Assembly.Location));
        var reader = file.GetMetadataReader();
        var literals = new List<string>();
        for (var handle = MetadataTokens.UserStringHandle(1); !handle.IsNil; handle = reader.GetNextHandle(handle))
            literals.Add(reader.GetUserString(handle));
        return literals;
    }

    [Fact]
    public void NoLiteralNamesACommand()
    {
        var literals = Literals();
        // They are read: a sentence of the first and of the last folder is there.
        Assert.Contains(literals, text => text.Contains("libtorch could not be loaded"));
        Assert.Contains(literals, text => text.Contains("is no diffusers folder"));
        string[] commands = ["dotnet ", "--project", "--data", "--device", "apt-get", "data fetch", "pip install"];
        Assert.DoesNotContain(literals, text => commands.Any(text.Contains));
    }
}
