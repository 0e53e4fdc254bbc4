using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Tests;

/// <summary>Step records for tests.</summary>
internal static class StepRecords
{
    /// <summary>A record whose numbers follow from its step.</summary>
    public static StepRecord At(long step, double? validationLoss = null) => new()
    {
        Step = step,
        Loss = 10.0 / (step + 1),
        Tokens = step * 1000,
        GradNorm = 1.5,
        Lr = 2e-4,
        TokensPerSecond = 500,
        StepSeconds = 2,
        PeakMemoryBytes = 1 << 20,
        ValidationLoss = validationLoss,
    };
}
