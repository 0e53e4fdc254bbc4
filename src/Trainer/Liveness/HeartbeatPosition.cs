namespace KvShiftScale.Trainer.Liveness;

/// <summary>How far a rank is in a group.</summary>
/// <param name="Group">Name and members.</param>
/// <param name="Begun">Sequence number of the newest collective that it has begun.</param>
/// <param name="Ended">How many have ended.</param>
internal sealed record HeartbeatPosition(string Group, long Begun, long Ended);
