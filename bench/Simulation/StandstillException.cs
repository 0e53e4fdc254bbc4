using KvShiftScale.Core;

namespace KvShiftScale.Simulation;

/// <summary>Ranks wait for each other, and none gets on. The message has who waits for whom, and in what.</summary>
internal sealed class StandstillException(string message) : KvShiftException(message);
