namespace BalancedDiffusion.Datasets.Faces;

/// <summary>
/// What a caption says of a face; null where it says nothing. Words are those of
/// <see cref="FaceCaptions"/>' vocabulary in their plainest form.
/// </summary>
public sealed record FaceCaption
{
    /// <summary><c>young</c>, <c>middle-aged</c> or <c>old</c>.</summary>
    public string? Age { get; init; }

    /// <summary><c>bald</c>, <c>short</c> or <c>long</c>.</summary>
    public string? HairLength { get; init; }

    /// <summary><c>black</c>, <c>brown</c>, <c>blond</c>, <c>red</c> or <c>grey</c>.</summary>
    public string? HairColor { get; init; }

    /// <summary>Whether there is a hat.</summary>
    public bool? Hat { get; init; }

    /// <summary><c>black</c>, <c>red</c>, <c>pink</c>, <c>yellow</c>, <c>green</c>, <c>blue</c> or
    /// <c>purple</c>.</summary>
    public string? HatColor { get; init; }

    /// <summary><c>glasses</c> or <c>sunglasses</c>.</summary>
    public string? Eyewear { get; init; }

    /// <summary>Whether there is a beard.</summary>
    public bool? Beard { get; init; }

    /// <summary>Whether there is a moustache.</summary>
    public bool? Moustache { get; init; }

    /// <summary><c>smiling</c>, <c>serious</c> or <c>neutral</c>.</summary>
    public string? Expression { get; init; }

    /// <summary>Whether the mouth is open.</summary>
    public bool? MouthOpen { get; init; }

    /// <summary><c>dark</c>, <c>light</c>, or one of <c>pink</c>, <c>yellow</c>, <c>green</c>, <c>blue</c> and
    /// <c>purple</c>.</summary>
    public string? Background { get; init; }

    /// <summary>How many attributes are named: hair of a length and a colour counts as one, so does a hat with its
    /// colour; a clean-shaven face is one.</summary>
    public int Count =>
        (Age is null ? 0 : 1)
        + (HairLength is null && HairColor is null ? 0 : 1)
        + (Hat is null ? 0 : 1)
        + (Eyewear is null ? 0 : 1)
        + (Beard is null ? 0 : 1)
        + (Moustache is null || (Moustache == false && Beard == false) ? 0 : 1)
        + (Expression is null ? 0 : 1)
        + (MouthOpen is null ? 0 : 1)
        + (Background is null ? 0 : 1);
}
