namespace KvShiftScale.Trainer.Telemetry;

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
