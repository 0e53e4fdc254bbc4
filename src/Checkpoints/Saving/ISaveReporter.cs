namespace KvShiftScale.Checkpoints.Saving;

/// <summary>What has happened to a save.</summary>
public readonly record struct SaveTally
{
    /// <summary>Seconds that training has stood still on this rank to begin it; null where this is told of its end.</summary>
    public double? StoodStill { get; init; }

    /// <summary>Seconds from the copy to the checkpoint; null where this is not told of a save that has succeeded.</summary>
    public double? Duration { get; init; }

    /// <summary>The save has failed.</summary>
    public bool HasFailed { get; init; }
}

/// <summary>Where news of saves go. Told from the thread that trains.</summary>
public interface ISaveReporter
{
    /// <summary>A save, as it begins, and as it ends.</summary>
    void Count(SaveTally save);

    /// <summary>A sentence between steps.</summary>
    void Say(string sentence);

    /// <summary>Something that a person should look at.</summary>
    void Warn(string sentence);
}
