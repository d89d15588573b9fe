using System.Text.Json;
using System.Text.Json.Nodes;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>The lines that a notebook's claims are written to while it runs, one JSON object a line.</summary>
public static class ClaimsFile
{
    /// <summary>
    /// Reads the file. A missing file is a notebook without claims. A line that is no claim becomes a problem, one
    /// sentence, never a silent loss; so does an id that stands twice, since each claim must be found by its id.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="notebook">The notebook's name.</param>
    public static (IReadOnlyList<Claim> Claims, IReadOnlyList<string> Problems) Read(string file, string notebook)
    {
        var claims = new List<Claim>();
        var problems = new List<string>();
        if (!File.Exists(file))
            return (claims, problems);
        var number = 0;
        foreach (var line in File.ReadLines(file))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            try
            {
                var claim = Claim.FromJson(JsonNode.Parse(line), notebook);
                if (claims.Any(c => c.Id == claim.Id))
                    problems.Add($"the claims of {notebook} name the id '{claim.Id}' twice; give each claim its own");
                else
                    claims.Add(claim);
            }
            catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
            {
                var reason = e is FormatException ? e.Message : "it is not JSON";
                problems.Add(
                    $"line {number} of the claims of {notebook} is no claim: {reason}: "
                        + $"{(line.Length > 80 ? line[..79] + "…" : line)}"
                );
            }
        }
        return (claims, problems);
    }
}
