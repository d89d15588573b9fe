using System.Net;
using System.Text.RegularExpressions;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>HTML with <c>{{name}}</c> where a value goes. A text is encoded; only <see cref="Markup"/> goes in as it
/// is.</summary>
internal sealed partial class HtmlTemplates
{
    /// <summary>HTML that needs no encoding: a filled template, or a file of this program.</summary>
    /// <param name="Html">The HTML.</param>
    internal sealed record Markup(string Html)
    {
        /// <summary>No HTML at all.</summary>
        public static readonly Markup Nothing = new("");

        /// <summary>Each on lines of its own.</summary>
        public static Markup Lines(IEnumerable<Markup> parts) => new(string.Join('\n', parts.Select(p => p.Html)));
    }

    private readonly Dictionary<string, string> templates;

    /// <summary>The templates of a file: its <c>template</c> elements by their ids. An indented line continues the line
    /// before it, without a space.</summary>
    /// <param name="text">The file's text.</param>
    public HtmlTemplates(string text) =>
        templates = Element()
            .Matches(text)
            .ToDictionary(m => m.Groups["id"].Value, m => Indent().Replace(m.Groups["html"].Value, ""));

    /// <summary>The template of this id with its values.</summary>
    /// <param name="id">The template's id.</param>
    /// <param name="values">A value for every name: <see cref="Markup"/>, or anything else as text.</param>
    /// <exception cref="ArgumentException">There is no such template, or a name has no value.</exception>
    public Markup Fill(string id, params (string Name, object Value)[] values) =>
        templates.TryGetValue(id, out var template)
            ? FillText(template, values)
            : throw new ArgumentException($"there is no template '{id}'", nameof(id));

    /// <summary>A text that is one template, with its values.</summary>
    /// <inheritdoc cref="Fill"/>
    public static Markup FillText(string template, params (string Name, object Value)[] values)
    {
        var known = values.ToDictionary(v => v.Name, v => v.Value);
        return new(Placeholder().Replace(template, match => Value(match.Groups[1].Value)));

        string Value(string name) =>
            known.TryGetValue(name, out var value)
                ? value is Markup markup
                    ? markup.Html
                    : WebUtility.HtmlEncode(FormattableString.Invariant($"{value}"))
                : throw new ArgumentException($"the template's '{name}' has no value", nameof(values));
    }

    [GeneratedRegex(
        """<template id="(?<id>[a-z-]+)">\r?\n(?<html>.*?)\r?\n</template>""",
        RegexOptions.Singleline | RegexOptions.CultureInvariant
    )]
    private static partial Regex Element();

    [GeneratedRegex(@"\r?\n +", RegexOptions.CultureInvariant)]
    private static partial Regex Indent();

    [GeneratedRegex(@"\{\{([a-z-]+)\}\}", RegexOptions.CultureInvariant)]
    private static partial Regex Placeholder();
}
