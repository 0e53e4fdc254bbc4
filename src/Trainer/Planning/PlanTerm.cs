namespace KvShiftScale.Trainer.Planning;

/// <summary>One term of a plan: bytes of a rank, or seconds of a step.</summary>
/// <param name="Name">What it is for.</param>
/// <param name="Value">Bytes, or seconds.</param>
/// <param name="Formula">How the value comes about, with its numbers; formatted only where somebody reads it.</param>
internal sealed record PlanTerm(string Name, double Value, FormattableString Formula);
