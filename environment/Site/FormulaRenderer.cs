using Markdig.Renderers;
using Markdig.Renderers.Html;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>Writes formulas as KaTeX sets them, and counts them.</summary>
/// <param name="math">KaTeX.</param>
public sealed class FormulaRenderer(MathRenderer math) : HtmlObjectRenderer<FormulaInline>
{
    /// <summary>How many were written.</summary>
    public int Count { get; private set; }

    /// <inheritdoc/>
    /// <exception cref="FormatException">KaTeX refuses the formula; the message names it.</exception>
    protected override void Write(HtmlRenderer renderer, FormulaInline obj)
    {
        ArgumentNullException.ThrowIfNull(renderer);
        ArgumentNullException.ThrowIfNull(obj);
        try
        {
            renderer.Write(math.Render(obj.Tex, obj.IsDisplay));
        }
        catch (FormatException e)
        {
            throw new FormatException(
                $"KaTeX refuses the formula '{obj.Tex.ReplaceLineEndings(" ")}': "
                    + $"{e.Message.ReplaceLineEndings(" ").TrimEnd('.')}"
            );
        }
        Count++;
    }
}
