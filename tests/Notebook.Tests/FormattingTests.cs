using System.Diagnostics;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>The layout of the code: that of CSharpier.</summary>
public sealed class FormattingTests
{
    private static readonly Workspace Repository = Workspace.Find(AppContext.BaseDirectory);

    [Fact]
    public async Task AllCodeIsLaidOutAsCSharpierDoes()
    {
        var (restored, _) = await DotnetAsync("tool", "restore");
        Assert.SkipUnless(restored == 0, "CSharpier cannot be restored on this machine");
        var (code, output) = await DotnetAsync("csharpier", "check", ".");
        Assert.True(code == 0, $"run 'dotnet csharpier format .'\n{output}");
    }

    private static async Task<(int Code, string Output)> DotnetAsync(params string[] words)
    {
        using var process = Process.Start(
            new ProcessStartInfo("dotnet", words)
            {
                WorkingDirectory = Repository.Root,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            }
        )!;
        var cancellation = TestContext.Current.CancellationToken;
        var (output, error) = (
            process.StandardOutput.ReadToEndAsync(cancellation),
            process.StandardError.ReadToEndAsync(cancellation)
        );
        await process.WaitForExitAsync(cancellation);
        return (process.ExitCode, await output + await error);
    }
}
