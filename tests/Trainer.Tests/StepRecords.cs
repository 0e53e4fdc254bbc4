using KvShiftScale.Models.Probing;
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

    /// <summary>A probe of two layers: four heads over two kv heads whose keys and values are shifted, and four heads that shift nothing.</summary>
    public static ProbeRecord Probe(double accuracy) => new(
        new InductionScores(accuracy, 4.5, 1.25,
        [
            new LayerScores([0.25f, 0.875f, 0.0625f, 0], [0.5f, 0.75f, 1, 0.125f], [[0.75f, 0.25f], [0.5f, -0.5f]], [[0.125f, 0.875f], [0, 1]]),
            new LayerScores([0.5f, 0.5f, 0.5f, 0.5f], [0.5f, 0.5f, 0.25f, 0.5f], null, null),
        ]), Seconds: 0.125);
}
