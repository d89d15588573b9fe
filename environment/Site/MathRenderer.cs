using System.Text.RegularExpressions;
using Jint;
using Jint.Native;
using Jint.Runtime;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>Sets formulas with KaTeX while the site is built: HTML for the eye and MathML for screen readers and for
/// copying; a page needs no script for them.</summary>
public sealed partial class MathRenderer : IDisposable
{
    private readonly Engine engine = new();
    private readonly JsValue render;
    private readonly Dictionary<(string, bool), string> known = [];

    /// <summary>Starts KaTeX.</summary>
    /// <param name="katexScript">The text of <c>katex.min.js</c>.</param>
    /// <exception cref="InvalidDataException">The script is not KaTeX.</exception>
    public MathRenderer(string katexScript)
    {
        try
        {
            engine.Execute(katexScript);
            render = engine.Evaluate(
                "(tex, display) => katex.renderToString(tex, { displayMode: display, output: "
                    + "'htmlAndMathml', throwOnError: true, strict: 'ignore', trust: false })"
            );
            engine.Invoke(render, "x", false);
        }
        catch (Exception e) when (e is JavaScriptException or JintException || e.GetType().Namespace == "Acornima")
        {
            engine.Dispose();
            throw new InvalidDataException(
                $"katex.min.js is not a KaTeX that works here ({e.Message}); install another version of KaTeX"
            );
        }
    }

    /// <summary>Sets a formula.</summary>
    /// <param name="tex">LaTeX without its dollar signs.</param>
    /// <param name="display">Whether it stands on a line of its own.</param>
    /// <returns>HTML with exactly one <c>math</c> element and no LaTeX.</returns>
    /// <exception cref="FormatException">KaTeX refuses the formula; the message is KaTeX's reason.</exception>
    public string Render(string tex, bool display)
    {
        if (known.TryGetValue((tex, display), out var html))
            return html;
        try
        {
            html = engine.Invoke(render, tex, display).AsString();
        }
        catch (JavaScriptException e)
        {
            throw new FormatException(e.Message.Replace("KaTeX parse error: ", "", StringComparison.Ordinal));
        }
        // The LaTeX that KaTeX keeps beside its MathML is nothing to read aloud or to search.
        return known[(tex, display)] = Annotation().Replace(html, "");
    }

    /// <inheritdoc/>
    public void Dispose() => engine.Dispose();

    [GeneratedRegex(
        "<annotation encoding=\"application/x-tex\">.*?</annotation>",
        RegexOptions.Singleline | RegexOptions.CultureInvariant
    )]
    private static partial Regex Annotation();
}
