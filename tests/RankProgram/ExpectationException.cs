namespace KvShiftScale.RankProgram;

/// <summary>Something on this rank is not as the scenario wants it.</summary>
internal sealed class ExpectationException(string message) : Exception(message);
