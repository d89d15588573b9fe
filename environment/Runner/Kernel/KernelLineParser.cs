using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace BalancedDiffusion.Reproduce.Runner.Kernel;

/// <summary>
/// Reads the kernel's line protocol. Native code inside the kernel may write to the same standard output, so a line can
/// be noise, or begin or end with noise, or hold two events.
/// </summary>
public static partial class KernelLineParser
{
    private const string Start = "{\"event\":";

    /// <summary>The events of one line, and what else stood in it.</summary>
    public static (IReadOnlyList<KernelEvent> Events, string Noise) Parse(string line)
    {
        ArgumentNullException.ThrowIfNull(line);
        var events = new List<KernelEvent>();
        var noise = new StringBuilder();
        var position = 0;
        while (position < line.Length)
        {
            var start = line.IndexOf(Start, position, StringComparison.Ordinal);
            if (start < 0)
            {
                noise.Append(line, position, line.Length - position);
                break;
            }
            noise.Append(line, position, start - position);
            var bytes = Encoding.UTF8.GetBytes(line, start, line.Length - start);
            if (TryReadOne(bytes, out var read, out var used))
            {
                if (read is not null)
                    events.Add(read);
                position = start + Encoding.UTF8.GetCharCount(bytes, 0, used);
                continue;
            }
            // Noise in the middle of an event: the output in it is lost, but the end of a command must not be, or the
            // runner waits for ever.
            var rest = line[start..];
            if (EndOfCommand().Match(rest) is { Success: true } end)
            {
                using var empty = JsonDocument.Parse(
                    "{\"message\":\"the kernel's message was garbled by output of native code\"}"
                );
                events.Add(new KernelEvent(end.Groups[1].Value, end.Groups[2].Value, empty.RootElement.Clone()));
            }
            var next = line.IndexOf(Start, start + Start.Length, StringComparison.Ordinal);
            noise.Append(line, start, (next < 0 ? line.Length : next) - start);
            position = next < 0 ? line.Length : next;
        }
        return (events, noise.ToString());
    }

    private static bool TryReadOne(byte[] bytes, out KernelEvent? read, out int used)
    {
        read = null;
        used = 0;
        try
        {
            var reader = new Utf8JsonReader(bytes, new JsonReaderOptions { MaxDepth = 256 });
            using var document = JsonDocument.ParseValue(ref reader);
            used = (int)reader.BytesConsumed;
            var root = document.RootElement;
            if (
                root.ValueKind != JsonValueKind.Object
                || !root.TryGetProperty("eventType", out var type)
                || type.ValueKind != JsonValueKind.String
            )
                return true;
            var token =
                root.TryGetProperty("command", out var command)
                && command.ValueKind == JsonValueKind.Object
                && command.TryGetProperty("token", out var t)
                && t.ValueKind == JsonValueKind.String
                    ? t.GetString()!
                    : "";
            read = new KernelEvent(type.GetString()!, token, root.GetProperty("event").Clone());
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    [GeneratedRegex(
        "\"eventType\":\"(CommandSucceeded|CommandFailed)\",\"command\":\\{\"token\":\"([^\"]+)\"",
        RegexOptions.CultureInvariant
    )]
    private static partial Regex EndOfCommand();
}
