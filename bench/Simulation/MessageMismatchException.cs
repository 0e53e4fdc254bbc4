using KvShiftScale.Core;

namespace KvShiftScale.Simulation;

/// <summary>What one rank sends is not what the other has room for. The message has both.</summary>
internal sealed class MessageMismatchException(string message) : KvShiftException(message);
