namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>A picture that a notebook showed.</summary>
/// <param name="Notebook">The notebook's name.</param>
/// <param name="Number">Its place among the notebook's pictures, from 1.</param>
/// <param name="Name">What the picture is called, or null.</param>
/// <param name="Extension"><c>png</c>, <c>svg</c>, <c>jpg</c> or <c>gif</c>.</param>
/// <param name="Bytes">The file's content.</param>
/// <param name="Title">What it shows, one line, or null.</param>
/// <param name="Alt">The words that stand for it where it is not seen, or null.</param>
public sealed record Figure(
    string Notebook,
    int Number,
    string? Name,
    string Extension,
    byte[] Bytes,
    string? Title = null,
    string? Alt = null
)
{
    /// <summary>E.g. <c>02-relu-dae-03.png</c>, with the picture's own name behind the number where it has
    /// one.</summary>
    public string FileName => $"{Notebook}-{Number:00}{(Name is null ? "" : "-" + Name)}.{Extension}";

    /// <summary>The MIME type.</summary>
    public string MimeType =>
        Extension switch
        {
            "svg" => "image/svg+xml",
            "jpg" => "image/jpeg",
            _ => $"image/{Extension}",
        };
}
