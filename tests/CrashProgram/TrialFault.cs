namespace KvShiftScale.CrashProgram;

/// <summary>A run did what it must not do; the message says what.</summary>
internal sealed class TrialFault(string message) : Exception(message);
