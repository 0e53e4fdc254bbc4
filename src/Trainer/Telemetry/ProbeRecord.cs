using KvShiftScale.Models.Probing;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>What a probe found after a step, and what it cost.</summary>
/// <param name="Scores">Induction, scores of the heads and their scalars.</param>
/// <param name="Seconds">Duration of the probe on this rank; no part of the step's.</param>
public sealed record ProbeRecord(InductionScores Scores, double Seconds);
