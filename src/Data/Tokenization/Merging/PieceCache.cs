using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace KvShiftScale.Data.Tokenization.Merging;

/// <summary>
/// Ids of short pieces met before, of one thread at a time. Bounded: 2 MB of entries and 1 MB for pieces of more than three ids; a new piece
/// takes the place of an older one.
/// </summary>
internal sealed class PieceCache
{
    /// <summary>Bytes of the longest piece that is kept; the sixteenth holds the length.</summary>
    public const int LongestPiece = 15;

    /// <summary>How many ids past the last one <see cref="TryCopy"/> may overwrite.</summary>
    public const int Slack = InlineIds;

    private const int InlineIds = 3;
    private const int EntryBits = 16;
    private const int ManyIdsCapacity = 1 << 18;

    private readonly Entry[] _entries = new Entry[1 << EntryBits];
    private readonly int[] _manyIds = new int[ManyIdsCapacity];
    private int _manyIdsCount;

    /// <summary>The piece as a number, zero bytes behind it and its length last.</summary>
    /// <param name="text">At least 16 bytes from the start of the piece.</param>
    /// <param name="length">1 to 15.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static UInt128 Key(ref byte text, int length)
    {
        var low = Unsafe.ReadUnaligned<ulong>(ref text);
        if (length <= sizeof(ulong))
        {
            return new UInt128((ulong)length << 56, low & (ulong.MaxValue >> (64 - (8 * length))));
        }

        var high = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref text, sizeof(ulong)));
        return new UInt128((high & (ulong.MaxValue >> (128 - (8 * length)))) | ((ulong)length << 56), low);
    }

    /// <summary>Writes the ids of a piece. Up to <see cref="Slack"/> numbers behind them are overwritten, too.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryCopy(UInt128 key, ref int destination, out int count)
    {
        var index = Index(key);
        ref var entry = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(_entries), index);
        if (entry.Key != key)
        {
            entry = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(_entries), index ^ 1);
            if (entry.Key != key)
            {
                count = 0;
                return false;
            }
        }

        count = entry.Count;
        if (count <= InlineIds)
        {
            destination = entry.First;
            Unsafe.Add(ref destination, 1) = entry.Second;
            Unsafe.Add(ref destination, 2) = entry.Third;
        }
        else
        {
            _manyIds.AsSpan(entry.First, count).CopyTo(MemoryMarshal.CreateSpan(ref destination, count));
        }

        return true;
    }

    public void Add(UInt128 key, ReadOnlySpan<int> ids)
    {
        if (ids.Length > InlineIds && _manyIdsCount + ids.Length > ManyIdsCapacity)
        {
            Array.Clear(_entries);
            _manyIdsCount = 0;
        }

        var index = Index(key);
        ref var entry = ref _entries[index];
        // The one met before moves to the second place, whose own is forgotten.
        _entries[index ^ 1] = entry;
        entry = new Entry { Key = key, Count = ids.Length };
        if (ids.Length > InlineIds)
        {
            entry.First = _manyIdsCount;
            ids.CopyTo(_manyIds.AsSpan(_manyIdsCount));
            _manyIdsCount += ids.Length;
            return;
        }

        entry.First = ids[0];
        entry.Second = ids.Length > 1 ? ids[1] : 0;
        entry.Third = ids.Length > 2 ? ids[2] : 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Index(UInt128 key)
    {
        var mixed = ((ulong)key ^ ((ulong)(key >> 64) * 0xC2B2AE3D27D4EB4F)) * 0x9E3779B97F4A7C15;
        return (int)(mixed >> (64 - EntryBits));
    }

    private struct Entry
    {
        public UInt128 Key;
        public int First;
        public int Second;
        public int Third;
        public int Count;
    }
}
