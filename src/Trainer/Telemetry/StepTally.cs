namespace KvShiftScale.Trainer.Telemetry;

/// <summary>A step as one rank counts it.</summary>
/// <param name="OwnTokens">This rank's part of the step's tokens; the parts of all ranks add up to them.</param>
/// <param name="Seconds">Duration.</param>
/// <param name="IsSkipped">There was no update.</param>
public readonly record struct StepTally(long OwnTokens, double Seconds, bool IsSkipped);
