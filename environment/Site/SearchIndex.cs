using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>The index that the pages search: for each word the sections that hold it, the best first. It is a script
/// and not data, since a page opened from a folder may load the one but not the other.</summary>
public static partial class SearchIndex
{
    private const int HeadingWeight = 10,
        CodeWeight = 1,
        TextWeight = 2,
        MostWeight = 30;

    /// <summary>The script; it sets <c>window.siteIndex</c>.</summary>
    /// <param name="pages">The pages with their titles, by their path in the site.</param>
    /// <param name="sections">Their sections.</param>
    public static string Script(IReadOnlyDictionary<string, string> pages, IReadOnlyList<SearchSection> sections)
    {
        ArgumentNullException.ThrowIfNull(pages);
        ArgumentNullException.ThrowIfNull(sections);
        var words = new SortedDictionary<string, Dictionary<int, int>>(StringComparer.Ordinal);
        for (var i = 0; i < sections.Count; i++)
            foreach (
                var (text, weight) in new[]
                {
                    (sections[i].Heading, HeadingWeight),
                    (sections[i].Text, TextWeight),
                    (sections[i].Code, CodeWeight),
                }
            )
            foreach (var word in Words(text))
            {
                if (!words.TryGetValue(word, out var places))
                    words[word] = places = [];
                places[i] = Math.Min(MostWeight, places.GetValueOrDefault(i) + weight);
            }
        var index = new JsonObject
        {
            ["pages"] = new JsonObject(pages.Select(p => KeyValuePair.Create(p.Key, (JsonNode?)p.Value))),
            ["sections"] = new JsonArray([.. sections.Select(s => new JsonArray(s.Page, s.Anchor, s.Heading, s.Text))]),
            ["words"] = new JsonObject(
                words.Select(w =>
                    KeyValuePair.Create(
                        w.Key,
                        (JsonNode?)
                            new JsonArray([
                                .. w
                                    .Value.OrderByDescending(p => p.Value)
                                    .SelectMany(p => new JsonNode[] { p.Key, p.Value }),
                            ])
                    )
                )
            ),
        };
        var options = new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        return $"window.siteIndex = {index.ToJsonString(options)};\n";
    }

    /// <summary>The words of a text in lower case: runs of letters and digits, and the parts of a name such as
    /// <c>HeunSampler</c> besides the whole.</summary>
    public static IEnumerable<string> Words(string text)
    {
        foreach (Match match in Word().Matches(text))
        {
            yield return match.Value.ToLowerInvariant();
            var parts = Part().Matches(match.Value);
            if (parts.Count < 2)
                continue;
            foreach (Match part in parts)
                if (part.Length > 2)
                    yield return part.Value.ToLowerInvariant();
        }
    }

    [GeneratedRegex(@"[\p{L}\p{Nd}]+", RegexOptions.CultureInvariant)]
    private static partial Regex Word();

    [GeneratedRegex(@"\p{Lu}?\p{Ll}+|\p{Lu}+(?!\p{Ll})|\p{Nd}+", RegexOptions.CultureInvariant)]
    private static partial Regex Part();
}
