namespace KvShiftScale.Parallel.Collectives;

/// <summary>How many collectives of a group this rank has begun and ended.</summary>
/// <param name="Group">The group.</param>
/// <param name="Begun">Sequence number of the newest one begun; 0 before the first.</param>
/// <param name="Ended">Collectives that have ended.</param>
public readonly record struct GroupPosition(GroupIdentity Group, long Begun, long Ended);
