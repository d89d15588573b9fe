namespace BalancedDiffusion.Runtime;

/// <summary>Fits the words of another library's exception into a sentence of ours.</summary>
internal static class Sentence
{
    /// <summary>The first sentence of a message, without its full stop.</summary>
    public static string First(string message)
    {
        var line = message.AsSpan().Trim();
        var end = line.IndexOfAny('\r', '\n');
        if (end >= 0)
            line = line[..end];
        // a full stop ends a sentence where a capital follows: file and type names have full stops too
        for (var i = 0; i + 2 < line.Length; i++)
            if (line[i] == '.' && line[i + 1] == ' ' && char.IsUpper(line[i + 2]))
                return line[..i].ToString();
        return line.TrimEnd('.').ToString();
    }
}
