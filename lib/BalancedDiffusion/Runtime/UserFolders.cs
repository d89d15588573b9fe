namespace BalancedDiffusion.Runtime;

/// <summary>The folders of the current user that the library may write to.</summary>
public static class UserFolders
{
    /// <summary>
    /// The cache: <c>BALANCED_DIFFUSION_CACHE</c> where set, else <c>balanced-diffusion</c> in the system's cache
    /// folder (<c>XDG_CACHE_HOME</c> or <c>~/.cache</c>, <c>~/Library/Caches</c>, <c>%LOCALAPPDATA%</c>). Not created
    /// by reading it.
    /// </summary>
    public static string Cache
    {
        get
        {
            var own = Environment.GetEnvironmentVariable("BALANCED_DIFFUSION_CACHE");
            if (!string.IsNullOrWhiteSpace(own))
                return Path.GetFullPath(own);
            var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
            var root =
                OperatingSystem.IsWindows() ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
                : OperatingSystem.IsMacOS() ? Path.Combine(home, "Library", "Caches")
                : Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg ? xdg
                : Path.Combine(home, ".cache");
            return Path.Combine(root.Length > 0 ? root : Path.GetTempPath(), "balanced-diffusion");
        }
    }
}
