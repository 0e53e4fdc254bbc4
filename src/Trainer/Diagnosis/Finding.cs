namespace KvShiftScale.Trainer.Diagnosis;

/// <summary>One line of a diagnosis.</summary>
/// <param name="Subject">What was looked at.</param>
/// <param name="Text">What was found.</param>
/// <param name="Remedy">What to do about it; null where nothing is wrong.</param>
/// <param name="StopsTraining">Nothing trains before that is done.</param>
internal sealed record Finding(string Subject, string Text, string? Remedy = null, bool StopsTraining = false);
