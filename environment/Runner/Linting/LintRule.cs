namespace BalancedDiffusion.Reproduce.Runner.Linting;

/// <summary>The rules for a committed notebook.</summary>
public enum LintRule
{
    /// <summary>The file is JSON and a notebook of nbformat 4.5.</summary>
    Format,

    /// <summary>The metadata is the kernelspec and language_info that every client opens, beside our own
    /// hash.</summary>
    Metadata,

    /// <summary>Every cell has an id of its own.</summary>
    CellIds,

    /// <summary>The first code cell is the one line that loads the library.</summary>
    FirstCodeCell,

    /// <summary>Every code cell was run, in order, once.</summary>
    Executed,

    /// <summary>There are outputs, and among them a picture that GitHub shows.</summary>
    StaticPicture,

    /// <summary>No cell failed.</summary>
    ErrorOutput,

    /// <summary>No network address, no script that looks for one.</summary>
    NetworkAddress,

    /// <summary>No path of one machine.</summary>
    AbsolutePath,

    /// <summary>No name of a user or machine.</summary>
    UserName,

    /// <summary>The file is smaller than 2 MB.</summary>
    Size,

    /// <summary>No code cell is longer than 25 lines.</summary>
    LongCell,

    /// <summary>No line of code is longer than 100 characters.</summary>
    LongLine,

    /// <summary>The first cell is prose and starts with the title.</summary>
    Title,

    /// <summary>The sections that every notebook has.</summary>
    Sections,

    /// <summary>The sources are those that the outputs were written for.</summary>
    SourcesHash,

    /// <summary>The outputs are those that the run of the sources wrote.</summary>
    OutputsHash,

    /// <summary>Every picture says in words what it shows.</summary>
    AltText,

    /// <summary>A notebook of exercises is what its source generates, without outputs.</summary>
    Generated,
}
