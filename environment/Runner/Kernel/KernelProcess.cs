using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;

namespace BalancedDiffusion.Reproduce.Runner.Kernel;

/// <summary>
/// The pinned .NET Interactive tool as a child process, spoken to over its standard input and output, one JSON object a
/// line, as VS Code's Polyglot extension does. One kernel serves one notebook.
/// </summary>
public sealed class KernelProcess : IAsyncDisposable
{
    private static readonly ConcurrentDictionary<KernelProcess, byte> Living = new();

    private readonly Process process;
    private readonly Channel<KernelEvent> events = Channel.CreateUnbounded<KernelEvent>(new() { SingleReader = true });
    private readonly TailBuffer errors = new();
    private readonly TailBuffer noise = new();
    private readonly Task readers;

    private KernelProcess(Process process, string marker)
    {
        this.process = process;
        Marker = marker;
        Living[this] = 0;
        readers = Task.WhenAll(ReadOutAsync(), ReadErrorsAsync());
    }

    /// <summary>A word that stands in the environment of the kernel and of everything it starts.</summary>
    public string Marker { get; }

    /// <summary>What the process wrote to its standard error, and what was not protocol on its standard output; the
    /// start and the end of it.</summary>
    public string Diagnostics =>
        string.Join('\n', new[] { errors.ToString(), noise.ToString() }.Where(t => t.Length > 0));

    /// <summary>The most memory, in bytes, that one living process of the kernel has held at once; null where the
    /// system does not say, or all are gone.</summary>
    public long? PeakBytes => ProcessTree.PeakBytes(process, Marker);

    /// <summary>The processor time that the kernel and all it started have used; null where the system does not
    /// say.</summary>
    public TimeSpan? ProcessorTime => ProcessTree.ProcessorTime(process, Marker);

    /// <summary>Whether the kernel, or anything it started, computes or waits for a core or a disk just now; false
    /// where the system does not say.</summary>
    public bool IsRunnable => ProcessTree.IsRunnable(Marker);

    /// <summary>Starts the tool and waits until it is ready.</summary>
    /// <param name="executable">
    /// The tool's assembly; null leaves the search to <c>dotnet interactive</c>, a process more, and a third of a
    /// second.
    /// </param>
    /// <param name="environment">Where it runs, and what it is given.</param>
    /// <param name="cancellation">Stops waiting and kills the kernel.</param>
    /// <exception cref="KernelException">The tool did not start; the message holds what it said.</exception>
    public static async Task<KernelProcess> StartAsync(
        string? executable,
        KernelEnvironment environment,
        CancellationToken cancellation
    )
    {
        ArgumentNullException.ThrowIfNull(environment);
        cancellation.ThrowIfCancellationRequested();
        var marker = $"balanced-diffusion-{Guid.NewGuid():N}";
        string[] command = [.. environment.Launcher, "dotnet", executable ?? "interactive", "stdio"];
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            WorkingDirectory = environment.Folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            CreateNoWindow = true,
            StandardInputEncoding = new UTF8Encoding(false),
            StandardOutputEncoding = new UTF8Encoding(false),
            StandardErrorEncoding = new UTF8Encoding(false),
        };
        if (environment.Inherited is { } inherited)
            foreach (var name in start.Environment.Keys.Except(inherited).ToList())
                start.Environment.Remove(name);
        foreach (var (name, value) in environment.Variables)
            start.Environment[name] = value;
        start.Environment[ProcessTree.MarkerVariable] = marker;
        // 'dotnet run' and 'dotnet test' leave variables behind that would steer the tool's own use of MSBuild and the
        // SDK.
        foreach (
            var name in new[]
            {
                "MSBuildSDKsPath",
                "MSBUILD_EXE_PATH",
                "MSBuildExtensionsPath",
                "DOTNET_CLI_CONTEXT_VERBOSE",
            }
        )
            start.Environment.Remove(name);
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new KernelException(
                $"the command '{command[0]}' could not be started ({e.Message}); install the .NET SDK and put "
                    + "it on the PATH"
            );
        }
        var kernel = new KernelProcess(process, marker);
        try
        {
            await foreach (var e in kernel.events.Reader.ReadAllAsync(cancellation))
                if (e.Type == "KernelReady")
                    return kernel;
            await kernel.readers;
            throw new KernelException($"the notebook kernel ended before it was ready: {kernel.Diagnostics.Trim()}");
        }
        catch
        {
            await kernel.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs code and hands on every event until the command is done.</summary>
    /// <returns>Null when the command succeeded, else the kernel's message.</returns>
    /// <param name="token">A name for the command without a dot in it, not used before.</param>
    /// <param name="code">The code, in which magic commands pass as they are.</param>
    /// <param name="targetKernel">E.g. <c>csharp</c>.</param>
    /// <param name="onEvent">Called for each event, also late ones of earlier commands.</param>
    /// <param name="cancellation">Stops waiting; the kernel is then good for nothing but disposal.</param>
    /// <exception cref="KernelException">The kernel died.</exception>
    public async Task<string?> SubmitAsync(
        string token,
        string code,
        string targetKernel,
        Action<KernelEvent> onEvent,
        CancellationToken cancellation
    )
    {
        ArgumentException.ThrowIfNullOrEmpty(token);
        if (token.Contains('.'))
            throw new ArgumentException($"a token must not hold a dot, was '{token}'", nameof(token));
        var line = JsonSerializer.Serialize(
            new
            {
                token,
                commandType = "SubmitCode",
                command = new { code, targetKernelName = targetKernel },
            }
        );
        try
        {
            await process.StandardInput.WriteLineAsync(line.AsMemory(), cancellation);
            await process.StandardInput.FlushAsync(cancellation);
        }
        catch (IOException)
        {
            throw await DeathAsync();
        }
        string? failure = null;
        while (true)
        {
            KernelEvent next;
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            // A part of a split cell failed: the whole cell's own end follows at once where the kernel sends one.
            if (failure is not null)
                patience.CancelAfter(TimeSpan.FromSeconds(3));
            try
            {
                next = await events.Reader.ReadAsync(patience.Token);
            }
            catch (ChannelClosedException)
            {
                throw await DeathAsync();
            }
            catch (OperationCanceledException) when (failure is not null && !cancellation.IsCancellationRequested)
            {
                return failure;
            }
            if (next.Type == "CommandSucceeded" && next.Token == token)
                return failure;
            if (next.Type == "CommandFailed" && next.BelongsTo(token))
            {
                var message = next.Text("message") is { Length: > 0 } m ? m : "the kernel gave no reason";
                failure ??= message;
                if (next.Token == token)
                    return failure;
                continue;
            }
            onEvent(next);
        }
    }

    /// <summary>Asks the kernel to quit, waits a moment, then ends it and all it started.</summary>
    public async Task QuitAsync()
    {
        try
        {
            await process.StandardInput.WriteLineAsync(
                "{\"token\":\"quit\",\"commandType\":\"Quit\",\"command\":{\"targetKernelName\":\".NET\"}}"
            );
            await process.StandardInput.FlushAsync();
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(3));
            await process.WaitForExitAsync(patience.Token);
        }
        catch (Exception e)
            when (e is IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException
            )
        {
            // It is ended below in any case.
        }
        Kill();
    }

    /// <summary>Ends the kernel and everything it started, at once.</summary>
    public void Kill()
    {
        ProcessTree.Kill(process, Marker);
        Living.TryRemove(this, out _);
    }

    /// <summary>Ends every kernel that this program started and has not ended, for when it is about to be ended
    /// itself.</summary>
    public static void KillAll()
    {
        foreach (var kernel in Living.Keys)
            kernel.Kill();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Kill();
        try
        {
            await readers.WaitAsync(TimeSpan.FromSeconds(5));
        }
        catch (TimeoutException)
        { /* a stranger holds the pipe open; nothing more is read from it */
        }
        process.Dispose();
    }

    private async Task<KernelException> DeathAsync()
    {
        try
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
            await process.WaitForExitAsync(patience.Token);
            await readers.WaitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        { /* say what is known */
        }
        var code = process.HasExited ? $" with exit code {process.ExitCode}" : "";
        // The stack of a crash is the scripting engine's; what was said stands above it.
        var said = Diagnostics
            .Split('\n')
            .Select(l => l.TrimEnd())
            .Where(l => l.Length > 0 && !l.StartsWith("   at ", StringComparison.Ordinal))
            .ToList();
        var first = said.Count > 0 ? ": " + string.Join(' ', said.Take(2)) : "";
        var further = string.Concat(said.Skip(2).Select(l => "\n" + l));
        return new KernelException($"the kernel process ended{code}{first}{further}");
    }

    private async Task ReadOutAsync()
    {
        try
        {
            while (await process.StandardOutput.ReadLineAsync() is { } line)
            {
                var (found, rest) = KernelLineParser.Parse(line);
                if (!string.IsNullOrWhiteSpace(rest))
                    noise.Add(rest);
                foreach (var e in found)
                    events.Writer.TryWrite(e);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        { /* the pipe broke: the process is gone */
        }
        finally
        {
            events.Writer.TryComplete();
        }
    }

    private async Task ReadErrorsAsync()
    {
        try
        {
            while (await process.StandardError.ReadLineAsync() is { } line)
                errors.Add(line);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        { /* as above */
        }
    }

    private sealed class TailBuffer
    {
        private const int Head = 12,
            Tail = 12,
            Width = 400;
        private readonly List<string> head = [];
        private readonly ConcurrentQueue<string> tail = new();
        private int dropped;

        public void Add(string line)
        {
            if (line.Length > Width)
                line = line[..Width] + "…";
            lock (head)
            {
                if (head.Count < Head)
                {
                    head.Add(line);
                    return;
                }
                tail.Enqueue(line);
                if (tail.Count > Tail && tail.TryDequeue(out _))
                    dropped++;
            }
        }

        public override string ToString()
        {
            lock (head)
            {
                string[] gap = dropped > 0 ? [$"… {dropped} lines left out …"] : [];
                return string.Join('\n', head.Concat(gap).Concat(tail));
            }
        }
    }
}
