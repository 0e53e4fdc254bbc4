using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>A run beside others.</summary>
/// <param name="Name">What it is called here.</param>
/// <param name="Config">Its resolved configuration.</param>
/// <param name="Records">Its logged steps in order.</param>
internal sealed record ComparedRun(string Name, RunConfig Config, IReadOnlyList<StepRecord> Records)
{
    /// <summary>The run in a few numbers.</summary>
    public RunSummary Summary { get; } = RunSummary.Of(Records);

    /// <summary>The lowest validation loss, and the step that it was measured after; null where there is none.</summary>
    public (long Step, double Loss)? BestValidation
        => Records.Where(record => record.ValidationLoss is { } loss && double.IsFinite(loss)).Select(record => (record.Step, record.ValidationLoss!.Value)) is var measured && measured.Any()
            ? measured.MinBy(one => one.Value) : null;

    /// <summary>Seconds spent in steps up to each record.</summary>
    public IReadOnlyList<double> Seconds
    {
        get
        {
            var seconds = new double[Records.Count];
            var (total, step) = (0.0, 0L);
            for (var index = 0; index < seconds.Length; index++)
            {
                var record = Records[index];
                total += RunSummary.SecondsOf(record, step);
                (seconds[index], step) = (total, record.Step);
            }

            return seconds;
        }
    }
}
