namespace BalancedDiffusion.Datasets;

/// <summary>A data set that images can be taken from: a training part and a test part that never overlap.</summary>
public interface IImageSource
{
    /// <summary>The name that it is asked for by: <c>faces</c>, <c>fashion-mnist</c> or <c>celeba</c>.</summary>
    string Name { get; }

    /// <summary>The most training images it has (<see cref="int.MaxValue"/> where they are drawn without
    /// end).</summary>
    int TrainCapacity { get; }

    /// <summary>The most test images it has.</summary>
    int TestCapacity { get; }

    /// <summary>Whether pictures of it may be committed and published with the notebooks.</summary>
    bool MayBePublished { get; }

    /// <summary>The first <paramref name="count"/> training images; the same on every call.</summary>
    /// <exception cref="ArgumentOutOfRangeException">count is below 1 or above the capacity.</exception>
    ImageDataset Train(int count);

    /// <summary>The first <paramref name="count"/> test images; the same on every call.</summary>
    /// <exception cref="ArgumentOutOfRangeException">count is below 1 or above the capacity.</exception>
    ImageDataset Test(int count);
}
