namespace BalancedDiffusion.Reproduce.Runner.Notebooks;

/// <summary>A numbered notebook on disk.</summary>
/// <param name="File">Its absolute path.</param>
/// <param name="Number">The number at the start of its name, 0 to 99.</param>
public sealed record NotebookFile(string File, int Number)
{
    /// <summary>The file name without its ending, e.g. <c>02-relu-dae</c>: the name of the notebook in every
    /// report.</summary>
    public string Stem => Path.GetFileNameWithoutExtension(File);

    /// <summary>The notebook of a path like <c>02-relu-dae.ipynb</c>, or null where the name does not start with two
    /// digits and a hyphen.</summary>
    public static NotebookFile? TryFrom(string path)
    {
        var name = Path.GetFileName(path);
        return
            name.Length > 3
            && char.IsAsciiDigit(name[0])
            && char.IsAsciiDigit(name[1])
            && name[2] == '-'
            && name.EndsWith(".ipynb", StringComparison.OrdinalIgnoreCase)
            ? new NotebookFile(Path.GetFullPath(path), int.Parse(name[..2]))
            : null;
    }
}
