namespace Microsoft.ML.Tokenizers;

/// <summary>
/// Remembers the ids of short pieces. A fixed number of slots, one piece each, the newest wins. A slot holds a reference to an entry
/// that never changes, so readers and writers need no lock.
/// </summary>
internal sealed class PieceCache
{
    /// <summary>Longer pieces seldom come twice; leaving them out also bounds the memory held.</summary>
    private const int LongestPiece = 48;

    private const int SlotCount = 1 << 16;

    private readonly Entry?[] _slots = new Entry?[SlotCount];

    public int[]? Find(ReadOnlySpan<char> piece, int hash)
    {
        var entry = Volatile.Read(ref _slots[hash & (SlotCount - 1)]);
        return entry is not null && piece.SequenceEqual(entry.Piece) ? entry.Ids : null;
    }

    public void Add(ReadOnlySpan<char> piece, int hash, int[] ids)
    {
        if (piece.Length <= LongestPiece)
        {
            Volatile.Write(ref _slots[hash & (SlotCount - 1)], new Entry(piece.ToString(), ids));
        }
    }

    private sealed class Entry(string piece, int[] ids)
    {
        public readonly string Piece = piece;
        public readonly int[] Ids = ids;
    }
}
