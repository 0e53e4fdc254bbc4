using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Training;

/// <summary>Where a run's news go: the first rank's console and telemetry, nowhere on the others.</summary>
internal interface IRunReporter
{
    /// <summary>A logged step.</summary>
    void Report(StepRecord record);

    /// <summary>A sentence between steps.</summary>
    void Say(string sentence);

    /// <summary>Something that a person should look at.</summary>
    void Warn(string sentence);
}
