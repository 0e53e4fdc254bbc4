using System.Numerics;
using System.Runtime.CompilerServices;

namespace KvShiftScale.Data.Tokenization.Merging;

/// <summary>What two neighbouring symbols become, and how early. Read-only once built.</summary>
internal sealed class MergeTable
{
    /// <summary>Larger than every merge.</summary>
    public const ulong None = ulong.MaxValue;

    private const ulong Multiplier = 0x9E3779B97F4A7C15;

    private readonly Slot[] _slots;
    private readonly int _shift;
    private readonly int[] _idOfRank;

    /// <param name="capacity">The most merges that will be added.</param>
    /// <param name="rankCount">More than the largest rank.</param>
    public MergeTable(int capacity, int rankCount)
    {
        _idOfRank = new int[rankCount];
        // At most half full, so that most lookups of pairs that do not merge end at once.
        var bits = Math.Max(4, BitOperations.Log2((uint)capacity) + 2);
        _slots = new Slot[1 << bits];
        _shift = 64 - bits;
        Array.Fill(_slots, new Slot { Pair = None, Merge = None });
    }

    /// <summary>More than the largest rank.</summary>
    public int RankCount => _idOfRank.Length;

    /// <summary>Adds a merge. Merges of one rank give one id.</summary>
    /// <returns>False when the pair is there already.</returns>
    public bool TryAdd(int left, int right, int rank, int id)
    {
        var pair = Pair(left, right);
        var index = (int)((pair * Multiplier) >> _shift);
        while (_slots[index].Pair != None)
        {
            if (_slots[index].Pair == pair)
            {
                return false;
            }

            index = (index + 1) & (_slots.Length - 1);
        }

        _idOfRank[rank] = id;
        _slots[index] = new Slot { Pair = pair, Merge = ((ulong)(uint)rank << 32) | (uint)id };
        return true;
    }

    /// <summary>The rank in the high half and the id in the low one, so that the smaller merge comes first; or <see cref="None"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Find(int left, int right)
    {
        var slots = _slots;
        var pair = Pair(left, right);
        var index = (int)((pair * Multiplier) >> _shift);
        while (true)
        {
            ref readonly var slot = ref slots[index];
            if (slot.Pair == pair || slot.Pair == None)
            {
                return slot.Merge;
            }

            index = (index + 1) & (slots.Length - 1);
        }
    }

    /// <summary>The rank of a merge, or -1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int FindRank(int left, int right) => (int)(Find(left, right) >> 32);

    /// <summary>What merges of a rank give.</summary>
    public int Id(int rank) => _idOfRank[rank];

    private static ulong Pair(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private struct Slot
    {
        public ulong Pair;
        public ulong Merge;
    }
}
