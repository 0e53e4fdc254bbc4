using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace KvShiftScale.Data.Tokenization.Training;

/// <summary>Pieces of UTF-8 with their counts. For one thread at a time.</summary>
internal sealed class PieceTable
{
    private const ulong Multiplier = 0x9E3779B97F4A7C15;

    /// <summary>Blocks of text; a piece lies within one.</summary>
    private const int BlockBytes = 1 << 16;

    private readonly List<byte[]> _blocks = [];
    private int _blockUsed;
    private Slot[] _slots = new Slot[1 << 12];

    /// <summary>Different pieces.</summary>
    public int Count { get; private set; }

    /// <param name="piece">Not empty.</param>
    /// <param name="count">At least 1.</param>
    public void Add(ReadOnlySpan<byte> piece, long count)
    {
        var hash = Hash(piece);
        var index = (int)(hash >> (64 - BitOperations.Log2((uint)_slots.Length)));
        while (_slots[index].Count != 0)
        {
            ref var slot = ref _slots[index];
            if (slot.Hash == hash && Piece(slot).SequenceEqual(piece))
            {
                slot.Count += count;
                return;
            }

            index = (index + 1) & (_slots.Length - 1);
        }

        _slots[index] = Store(piece, hash) with { Count = count };
        Count++;
        if (Count > _slots.Length / 2)
        {
            Grow();
        }
    }

    /// <summary>Adds all pieces of another table.</summary>
    public void AddAll(PieceTable other)
    {
        foreach (var slot in other._slots)
        {
            if (slot.Count != 0)
            {
                Add(other.Piece(slot), slot.Count);
            }
        }
    }

    /// <summary>Calls back for each piece, in no particular order.</summary>
    public void ForEach(PieceAction action)
    {
        foreach (var slot in _slots)
        {
            if (slot.Count != 0)
            {
                action(Piece(slot), slot.Count);
            }
        }
    }

    public delegate void PieceAction(ReadOnlySpan<byte> piece, long count);

    private static ulong Hash(ReadOnlySpan<byte> piece)
    {
        var hash = (ulong)piece.Length;
        while (piece.Length > sizeof(ulong))
        {
            hash = BitOperations.RotateLeft((hash ^ MemoryMarshal.Read<ulong>(piece)) * Multiplier, 29);
            piece = piece[sizeof(ulong)..];
        }

        var last = 0UL;
        for (var i = 0; i < piece.Length; i++)
        {
            last |= (ulong)piece[i] << (8 * i);
        }

        return (hash ^ last) * Multiplier;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ReadOnlySpan<byte> Piece(in Slot slot) => _blocks[slot.Block].AsSpan(slot.Offset, slot.Length);

    private Slot Store(ReadOnlySpan<byte> piece, ulong hash)
    {
        if (_blocks.Count == 0 || piece.Length > _blocks[^1].Length - _blockUsed)
        {
            _blocks.Add(new byte[Math.Max(BlockBytes, piece.Length)]);
            _blockUsed = 0;
        }

        piece.CopyTo(_blocks[^1].AsSpan(_blockUsed));
        var slot = new Slot { Hash = hash, Block = _blocks.Count - 1, Offset = _blockUsed, Length = piece.Length };
        _blockUsed += piece.Length;
        return slot;
    }

    private void Grow()
    {
        var old = _slots;
        _slots = new Slot[2 * old.Length];
        var shift = 64 - BitOperations.Log2((uint)_slots.Length);
        foreach (var slot in old)
        {
            if (slot.Count == 0)
            {
                continue;
            }

            var index = (int)(slot.Hash >> shift);
            while (_slots[index].Count != 0)
            {
                index = (index + 1) & (_slots.Length - 1);
            }

            _slots[index] = slot;
        }
    }

    private record struct Slot
    {
        public ulong Hash;
        public long Count;
        public int Block;
        public int Offset;
        public int Length;
    }
}
