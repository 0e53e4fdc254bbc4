using KvShiftScale.Checkpoints.Saving;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Training;

/// <summary>Where a run's news go: each rank's telemetry, and the first one's console.</summary>
internal interface IRunReporter : ISaveReporter
{
    /// <summary>A logged step.</summary>
    void Report(StepRecord record);

    /// <summary>What is said, and was said so far, also goes into a file from now on.</summary>
    void Keep(string log);

    /// <summary>A step of this launch, logged or not.</summary>
    void Count(StepTally step);
}
