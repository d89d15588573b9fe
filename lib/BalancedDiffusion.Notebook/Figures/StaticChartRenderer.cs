using System.Diagnostics;
using System.Globalization;
using PuppeteerSharp;

namespace BalancedDiffusion.Notebook;

/// <summary>
/// Draws still pictures of charts in one headless browser that all figures of a notebook share. It talks to the browser
/// through a pipe where it can, so that the browser ends with the kernel; it reaches no network and ends after a while
/// without work.
/// </summary>
internal static class StaticChartRenderer
{
    private const string FolderPrefix = "balanced-diffusion-browser-",
        PidFile = "browser-process";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(40),
        Idle = TimeSpan.FromMinutes(3);
    private static readonly Lock Gate = new();
    private static readonly Timer Sleep = new(_ => Stop());
    private static IBrowser? browser;
    private static IPage? page;
    private static string? folder;
    private static int failures;
    private static bool watching;

    /// <summary>The process of the browser, or null while none runs.</summary>
    internal static Process? Process => browser?.Process;

    /// <summary>Draws a figure.</summary>
    /// <param name="json">The figure: data and layout.</param>
    /// <param name="width">Width in pixels before enlarging.</param>
    /// <param name="height">Height in pixels before enlarging.</param>
    /// <param name="scale">The factor of enlarging.</param>
    /// <returns>The PNG in base64; or null and a sentence that says why not (null where the reader switched pictures
    /// off).</returns>
    public static (string? Png, string? Trouble) Render(string json, int width, int height, double scale)
    {
        lock (Gate)
        {
            if (failures >= 2)
                return (null, "The browser failed twice: this notebook's further figures have no still pictures.");
            var (path, trouble) = BrowserSearch.Find(Environment.GetEnvironmentVariable, File.Exists);
            if (path is null)
                return (null, trouble);
            Sleep.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            try
            {
                var url = Task.Run(async () =>
                    {
                        if (page is null || browser is not { IsConnected: true })
                            await StartAsync(path);
                        return await page!
                            .EvaluateFunctionAsync<string>(
                                "async (json, width, height, scale) => { const f = JSON.parse(json); return "
                                    + "await Plotly.toImage({ data: f.data, layout: f.layout }, { format: 'png', "
                                    + "width, height, scale }); }",
                                json,
                                width,
                                height,
                                scale
                            )
                            .WaitAsync(Patience);
                    })
                    .GetAwaiter()
                    .GetResult();
                const string head = "data:image/png;base64,";
                if (!url.StartsWith(head, StringComparison.Ordinal))
                    throw new PuppeteerException("the browser returned no PNG");
                Sleep.Change(Idle, Timeout.InfiniteTimeSpan);
                return (url[head.Length..], null);
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                failures++;
                Kill();
                return (
                    null,
                    $"The browser '{Path.GetFileName(path)}' could not draw the figure "
                        + $"({e.Message.Split('\n')[0].TrimEnd('.')}): it has no still picture."
                );
            }
        }
    }

    /// <summary>Ends the browser, if one runs; the next figure starts it again.</summary>
    public static void Stop()
    {
        lock (Gate)
            Kill();
    }

    private static async Task StartAsync(string path)
    {
        Kill();
        SweepFolders();
        if (!watching)
            AppDomain.CurrentDomain.ProcessExit += (_, _) => Kill();
        watching = true;
        folder = Path.Combine(Path.GetTempPath(), $"{FolderPrefix}{Environment.ProcessId}-{Guid.NewGuid():N}");
        browser = await Puppeteer
            .LaunchAsync(
                new LaunchOptions
                {
                    ExecutablePath = path,
                    Headless = true,
                    Pipe = !OperatingSystem.IsWindows(),
                    UserDataDir = folder,
                    Timeout = (int)Patience.TotalMilliseconds,
                    DefaultViewport = new ViewPortOptions { Width = 1200, Height = 900 },
                    Args =
                    [
                        "--no-sandbox",
                        "--disable-gpu",
                        "--disable-dev-shm-usage",
                        "--no-first-run",
                        "--disable-background-networking",
                        "--disable-extensions",
                        "--disable-component-update",
                        "--host-resolver-rules=\"MAP * ~NOTFOUND\"",
                    ],
                }
            )
            .WaitAsync(Patience);
        await File.WriteAllTextAsync(
            Path.Combine(folder, PidFile),
            browser.Process.Id.ToString(CultureInfo.InvariantCulture)
        );
        page = await browser.NewPageAsync();
        await page.SetContentAsync("<html><head><meta charset=\"utf-8\"></head><body></body></html>");
        await page.AddScriptTagAsync(new AddTagOptions { Content = await PlotlyScriptAsync() });
    }

    private static async Task<string> PlotlyScriptAsync()
    {
        var assembly = typeof(Plotly.NET.GenericChart).Assembly;
        var name = assembly
            .GetManifestResourceNames()
            .First(resource =>
                resource.Contains("plotly", StringComparison.Ordinal)
                && resource.EndsWith(".min.js", StringComparison.Ordinal)
            );
        using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
        return await reader.ReadToEndAsync();
    }

    private static void Kill()
    {
        var (process, old) = (browser?.Process, folder);
        (browser, page, folder) = (null, null, null);
        try
        {
            if (process is { HasExited: false })
            {
                process.Kill(entireProcessTree: true);
                process.WaitForExit(2000);
            }
        }
        catch (Exception e)
            when (e is InvalidOperationException or System.ComponentModel.Win32Exception or NotSupportedException)
        {
            // It ended by itself meanwhile.
        }
        if (old is not null)
            Remove(old);
    }

    // A kernel that was killed leaves its browser and the browser's folder behind; the next one to start clears them
    // away.
    private static void SweepFolders()
    {
        foreach (var old in Directory.EnumerateDirectories(Path.GetTempPath(), FolderPrefix + "*").ToList())
        {
            var owner = Path.GetFileName(old)[FolderPrefix.Length..].Split('-')[0];
            if (!int.TryParse(owner, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
                continue;
            if (id == Environment.ProcessId || IsRunning(id))
                continue;
            EndOrphan(old);
            Remove(old);
        }
    }

    // Only on Linux can it be told from a number alone that the process is still the browser of that folder and not
    // another's.
    private static void EndOrphan(string old)
    {
        try
        {
            var number = Path.Combine(old, PidFile);
            if (
                !OperatingSystem.IsLinux()
                || !File.Exists(number)
                || !int.TryParse(File.ReadAllText(number), NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            )
                return;
            if (
                !File.Exists($"/proc/{id}/cmdline")
                || !File.ReadAllText($"/proc/{id}/cmdline").Contains(Path.GetFileName(old), StringComparison.Ordinal)
            )
                return;
            using var orphan = System.Diagnostics.Process.GetProcessById(id);
            orphan.Kill(entireProcessTree: true);
            orphan.WaitForExit(2000);
        }
        catch (Exception e)
            when (e
                    is IOException
                        or UnauthorizedAccessException
                        or ArgumentException
                        or InvalidOperationException
                        or System.ComponentModel.Win32Exception
            )
        {
            // It ended by itself meanwhile, or belongs to someone else.
        }
    }

    private static bool IsRunning(int id)
    {
        try
        {
            using var process = System.Diagnostics.Process.GetProcessById(id);
            return !process.HasExited;
        }
        catch (Exception e)
            when (e is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return e is System.ComponentModel.Win32Exception;
        }
    }

    private static void Remove(string path)
    {
        for (var attempt = 0; attempt < 3; attempt++)
        {
            try
            {
                if (Directory.Exists(path))
                    Directory.Delete(path, recursive: true);
                return;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Thread.Sleep(100);
            }
        }
    }
}
