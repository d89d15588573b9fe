using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Datasets;

/// <summary>
/// Where data lie on this machine. Searched in order: the folders that the environment variable
/// <c>BALANCED_DIFFUSION_DATA</c>
/// names (separated as in PATH), <c>data</c> of the repository that the library or the current directory lies in,
/// <c>data</c> in the user's cache, and <c>/usr/share/datasets</c>. The variable and the current directory are read
/// again on every call.
/// </summary>
public static class DataFolders
{
    /// <summary>The search as the environment stands now.</summary>
    public static DataSearch Current
    {
        get
        {
            var starts = new[]
            {
                Path.GetDirectoryName(typeof(DataFolders).Assembly.Location) ?? "",
                AppContext.BaseDirectory,
                Directory.GetCurrentDirectory(),
            };
            string[] system = OperatingSystem.IsWindows() ? [] : ["/usr/local/share/datasets", "/usr/share/datasets"];
            return DataSearch.For(
                Environment.GetEnvironmentVariable(DataSearch.Variable),
                starts,
                UserFolders.Cache,
                system
            );
        }
    }

    /// <summary>The folder that downloads go to: <c>data</c> in the user's cache. Not created by reading it.</summary>
    public static string DownloadFolder => Path.Combine(UserFolders.Cache, "data");

    /// <inheritdoc cref="DataSearch.SearchPath"/>
    public static IReadOnlyList<string> SearchPath => Current.SearchPath;

    /// <inheritdoc cref="DataSearch.Find(string)"/>
    public static string? Find(string relativePath) => Current.Find(relativePath);

    /// <inheritdoc cref="DataSearch.Require"/>
    public static string Require(string relativePath, string? whatToDo = null) =>
        Current.Require(relativePath, whatToDo);

    /// <inheritdoc cref="DataSearch.Describe"/>
    public static string Describe() => Current.Describe();
}
