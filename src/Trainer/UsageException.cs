namespace KvShiftScale.Trainer;

/// <summary>Arguments that cannot be worked with: what was found, what was wanted, what to do. Exit code 2.</summary>
internal sealed class UsageException(string message) : Exception(message);
