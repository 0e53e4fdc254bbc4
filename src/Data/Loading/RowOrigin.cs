namespace KvShiftScale.Data.Loading;

/// <summary>Where a row of the global order comes from.</summary>
/// <param name="Row">Its number in the global order.</param>
/// <param name="Source">Place of its source in the configuration's list, from 0.</param>
/// <param name="Epoch">How often the source has been read before, in whole.</param>
/// <param name="Documents">The documents of which it has tokens, in their order.</param>
public sealed record RowOrigin(long Row, int Source, long Epoch, IReadOnlyList<DocumentOrigin> Documents);
