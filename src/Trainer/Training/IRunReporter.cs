using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Training;

/// <summary>Where a run's news go: each rank's telemetry, and the first one's console.</summary>
internal interface IRunReporter
{
    /// <summary>A logged step.</summary>
    void Report(StepRecord record);

    /// <summary>A step of this launch, logged or not.</summary>
    void Count(StepTally step);

    /// <summary>A save, as it begins, and as it ends.</summary>
    void Count(SaveTally save);

    /// <summary>A sentence between steps.</summary>
    void Say(string sentence);

    /// <summary>Something that a person should look at.</summary>
    void Warn(string sentence);
}
