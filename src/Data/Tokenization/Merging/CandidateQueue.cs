using System.Buffers;
using System.Numerics;

namespace KvShiftScale.Data.Tokenization.Merging;

/// <summary>
/// Candidates for merging by rank, then by position. Ranks are divided into bands: a heap orders the band at hand, later bands are lists. So
/// the heap stays small enough for a cache, whatever the length of the piece.
/// </summary>
internal ref struct CandidateQueue
{
    private const int MostBands = 1 << 12;

    private const int SymbolsPerBand = 16;

    private const int EndOfList = -1;

    private readonly int _bandShift;
    private readonly int[] _heads;
    private readonly Waiting[] _waiting;
    private readonly ulong[] _heap;
    private readonly int _bandCount;
    private int _waitingCount;
    private int _heapCount;
    private int _band;

    /// <param name="rankCount">More than the largest rank.</param>
    /// <param name="symbolCount">Symbols of the piece.</param>
    public CandidateQueue(int rankCount, int symbolCount)
    {
        var mostBands = Math.Clamp(symbolCount / SymbolsPerBand, 1, MostBands);
        _bandShift = Math.Max(0, BitOperations.Log2((uint)Math.Max(1, rankCount - 1)) + 1 - BitOperations.Log2((uint)mostBands));
        _bandCount = (Math.Max(0, rankCount - 1) >> _bandShift) + 1;
        _heads = ArrayPool<int>.Shared.Rent(_bandCount);
        _heads.AsSpan(0, _bandCount).Fill(EndOfList);
        // One candidate for each pair at first; each merge takes one out and puts at most two in.
        _waiting = ArrayPool<Waiting>.Shared.Rent(3 * symbolCount);
        _heap = ArrayPool<ulong>.Shared.Rent(2 * symbolCount);
        _band = -1;
    }

    public readonly void Dispose()
    {
        ArrayPool<int>.Shared.Return(_heads);
        ArrayPool<Waiting>.Shared.Return(_waiting);
        ArrayPool<ulong>.Shared.Return(_heap);
    }

    public void Push(int rank, int position)
    {
        var candidate = ((ulong)(uint)rank << 32) | (uint)position;
        var band = rank >> _bandShift;
        if (band > _band)
        {
            _waiting[_waitingCount] = new Waiting { Candidate = candidate, Next = _heads[band] };
            _heads[band] = _waitingCount++;
        }
        else
        {
            CandidateHeap.Push(_heap, ref _heapCount, candidate);
        }
    }

    public bool TryPop(out int rank, out int position)
    {
        while (_heapCount == 0)
        {
            if (++_band >= _bandCount)
            {
                rank = position = 0;
                return false;
            }

            for (var index = _heads[_band]; index != EndOfList; index = _waiting[index].Next)
            {
                _heap[_heapCount++] = _waiting[index].Candidate;
            }

            CandidateHeap.Arrange(_heap.AsSpan(0, _heapCount));
        }

        var candidate = CandidateHeap.Pop(_heap, ref _heapCount);
        rank = (int)(candidate >> 32);
        position = (int)(uint)candidate;
        return true;
    }

    private struct Waiting
    {
        public ulong Candidate;
        public int Next;
    }
}
