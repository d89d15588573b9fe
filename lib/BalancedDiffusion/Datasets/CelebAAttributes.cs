using System.Text;

namespace BalancedDiffusion.Datasets;

/// <summary>The table of CelebA's 40 binary attributes, from the official text file or from a table with
/// commas.</summary>
internal sealed class CelebAAttributes
{
    private readonly List<byte[]> rows;

    private CelebAAttributes(IReadOnlyList<string> names, List<byte[]> rows) => (Names, this.rows) = (names, rows);

    public IReadOnlyList<string> Names { get; }

    public int Count => rows.Count;

    public byte this[int image, int attribute] => rows[image][attribute];

    public static string FileName(int index) => $"{index + 1:D6}.jpg";

    /// <summary>Reads the first images' rows: those with <c>image_id,…</c> on top are tables, others the official
    /// text (a count, the names, then the rows).</summary>
    public static CelebAAttributes Read(string path, int limit)
    {
        using var reader = new StreamReader(path);
        var first = reader.ReadLine() ?? throw new InvalidDataException($"'{path}' is empty; fetch it again");
        var table = first.StartsWith("image_id", StringComparison.Ordinal);
        var line = 1;
        int? promised = null;
        if (!table)
        {
            if (!int.TryParse(first, out var number) || number < 1)
                throw new InvalidDataException(
                    $"'{path}' begins with '{Short(first)}', expected 'image_id,…' or the number of images"
                );
            promised = number;
        }
        string[] Split(string text) =>
            table
                ? text.Split(',', StringSplitOptions.TrimEntries)
                : text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        var head = table ? first : reader.ReadLine() ?? "";
        if (!table)
            line++;
        var names = table ? Split(head)[1..] : Split(head);
        if (names.Length != 40 || names.Distinct().Count() != 40 || names.Contains(""))
            throw new InvalidDataException(
                $"'{path}' names {names.Distinct().Count()} different attributes, expected CelebA's 40"
            );
        var rows = new List<byte[]>();
        while (rows.Count < limit && reader.ReadLine() is { } text)
        {
            line++;
            if (text.Length == 0)
                continue;
            var parts = Split(text);
            if (parts[0] != FileName(rows.Count))
                throw new InvalidDataException(
                    $"'{path}', line {line}, is of '{Short(parts[0])}', expected {FileName(rows.Count)} (the "
                        + "images in order)"
                );
            if (parts.Length != 41)
                throw new InvalidDataException(
                    $"'{path}', line {line}, has {parts.Length - 1} attributes, expected 40; the file was cut "
                        + "short or edited"
                );
            var row = new byte[40];
            for (var i = 0; i < 40; i++)
                row[i] = parts[i + 1] switch
                {
                    "1" => 1,
                    "0" or "-1" => 0,
                    var other => throw new InvalidDataException(
                        $"'{path}', line {line}, gives {names[i]} the value '{Short(other)}', expected 1, 0 or -1"
                    ),
                };
            rows.Add(row);
        }
        if (promised is { } total && rows.Count < Math.Min(total, limit))
            throw new InvalidDataException(
                $"'{path}' ends after {rows.Count} of the {total} rows that it promises; fetch it again"
            );
        return new CelebAAttributes(names, rows);
    }

    /// <summary>The first rows as a table with commas, values 0 and 1, lines ended by \n.</summary>
    public string ToTable(int count)
    {
        var text = new StringBuilder("image_id,").AppendJoin(',', Names).Append('\n');
        for (var i = 0; i < count; i++)
            text.Append(FileName(i)).Append(',').AppendJoin(',', rows[i]).Append('\n');
        return text.ToString();
    }

    private static string Short(string text) => text.Length <= 40 ? text : text[..40] + "…";
}
