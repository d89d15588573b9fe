namespace BalancedDiffusion.Training;

/// <summary>Where a run stands, apart from its tensors; written into the header of a checkpoint.</summary>
internal sealed record TrainingState
{
    /// <summary>How many updates were made.</summary>
    public required long StepsDone { get; init; }

    /// <summary>Wall-clock time over all sessions.</summary>
    public required double Seconds { get; init; }

    /// <summary>What decides the numbers of the run, by name.</summary>
    public required IReadOnlyDictionary<string, string> Options { get; init; }

    /// <summary>A digest of the training data.</summary>
    public required string DataDigest { get; init; }

    /// <summary>A digest of the weights that the run began from.</summary>
    public required string InitialDigest { get; init; }

    /// <summary>A digest of the weights that it reached.</summary>
    public required string WeightsDigest { get; init; }

    /// <summary>A digest of every tensor of the checkpoint.</summary>
    public string TensorsDigest { get; init; } = "";

    /// <summary>The history so far.</summary>
    public required IReadOnlyList<TrainingRow> History { get; init; }

    /// <summary>What was measured on held-out data at each row of the history, by name; empty for a run that measures
    /// nothing.</summary>
    public IReadOnlyList<IReadOnlyDictionary<string, double>> Measures { get; init; } = [];

    /// <summary>The losses since the last row.</summary>
    public required IReadOnlyList<double> Pending { get; init; }
}
