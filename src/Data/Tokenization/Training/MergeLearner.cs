using System.Runtime.InteropServices;
using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization.Training;

/// <summary>
/// Learns merges one by one: the pair of neighbouring tokens with the highest count over all pieces, on a tie the one with the smaller
/// left id, then the smaller right id. A count is the number of neighbouring positions, times the count of the piece.
/// </summary>
/// <remarks>
/// Counts are kept up to date at the positions that a merge touches. A merge can only lower the counts of pairs that existed before it,
/// so the queue may hold counts that are too high, never too low: a pair whose count has fallen goes back in with the new one.
/// </remarks>
internal sealed class MergeLearner
{
    private readonly long _minimumCount;
    private readonly int[][] _pieces;
    private readonly int[] _lengths;
    private readonly long[] _pieceCounts;
    private readonly Dictionary<ulong, Occurrences> _pairs;
    private readonly PriorityQueue<ulong, Candidate> _queue = new();

    /// <summary>Pairs that the merge at hand brought into being.</summary>
    private readonly List<ulong> _newPairs = [];

    private int _nextId = ByteAlphabet.Size;

    public MergeLearner(PieceTable counts, long minimumCount, int threadCount)
    {
        _minimumCount = minimumCount;
        _pieces = new int[counts.Count][];
        _lengths = new int[counts.Count];
        _pieceCounts = new long[counts.Count];
        var index = 0;
        counts.ForEach((piece, count) =>
        {
            var symbols = new int[piece.Length];
            for (var i = 0; i < piece.Length; i++)
            {
                symbols[i] = ByteAlphabet.Symbol(piece[i]);
            }

            _pieces[index] = symbols;
            _lengths[index] = symbols.Length;
            _pieceCounts[index] = count;
            index++;
        });
        _pairs = CountPairs(threadCount);
        _newPairs.AddRange(_pairs.Keys);
        EnqueueNewPairs();
    }

    /// <summary>Learns the next merge.</summary>
    /// <returns>False when no pair occurs often enough any more.</returns>
    public bool TryLearn(out (int Left, int Right) merge)
    {
        while (_queue.TryDequeue(out var pair, out var candidate))
        {
            if (!_pairs.TryGetValue(pair, out var occurrences))
            {
                continue;
            }

            if (occurrences.Count < candidate.Count)
            {
                Enqueue(pair, occurrences.Count);
                continue;
            }

            merge = ((int)(pair >> 32), (int)(uint)pair);
            Apply(merge.Left, merge.Right, occurrences);
            _pairs.Remove(pair);
            return true;
        }

        merge = default;
        return false;
    }

    /// <summary>Each thread counts in a range of the pieces of its own; the ranges are then joined in their order.</summary>
    private Dictionary<ulong, Occurrences> CountPairs(int threadCount)
    {
        var ranges = new Dictionary<ulong, Occurrences>[threadCount];
        Parallel.For(0, threadCount, new ParallelOptions { MaxDegreeOfParallelism = threadCount }, range =>
        {
            var pairs = ranges[range] = [];
            var end = (int)((range + 1L) * _pieces.Length / threadCount);
            for (var piece = (int)((long)range * _pieces.Length / threadCount); piece < end; piece++)
            {
                var symbols = _pieces[piece];
                for (var i = 1; i < symbols.Length; i++)
                {
                    ref var occurrences = ref CollectionsMarshal.GetValueRefOrAddDefault(pairs, Pair(symbols[i - 1], symbols[i]), out _);
                    (occurrences ??= new Occurrences()).Add(piece, _pieceCounts[piece]);
                }
            }
        });
        var total = ranges[0];
        foreach (var (pair, more) in ranges.Skip(1).SelectMany(range => range))
        {
            ref var occurrences = ref CollectionsMarshal.GetValueRefOrAddDefault(total, pair, out var exists);
            if (exists)
            {
                occurrences!.Count += more.Count;
                occurrences.Pieces.AddRange(more.Pieces);
            }
            else
            {
                occurrences = more;
            }
        }

        return total;
    }

    private void Apply(int left, int right, Occurrences occurrences)
    {
        var merged = _nextId++;
        foreach (var piece in occurrences.Pieces)
        {
            MergeInPiece(piece, left, right, merged);
        }

        EnqueueNewPairs();
    }

    /// <summary>Leftmost first, so that of three equal tokens the first two are merged.</summary>
    private void MergeInPiece(int piece, int left, int right, int merged)
    {
        var tokens = _pieces[piece].AsSpan(0, _lengths[piece]);
        var kept = 0;
        for (var i = 0; i < tokens.Length; i++)
        {
            if (i + 1 < tokens.Length && tokens[i] == left && tokens[i + 1] == right)
            {
                if (kept > 0)
                {
                    Remove(tokens[kept - 1], left, piece);
                    Add(tokens[kept - 1], merged, piece);
                }

                if (i + 2 < tokens.Length)
                {
                    Remove(right, tokens[i + 2], piece);
                    Add(merged, tokens[i + 2], piece);
                }

                tokens[kept++] = merged;
                i++;
            }
            else
            {
                tokens[kept++] = tokens[i];
            }
        }

        _lengths[piece] = kept;
    }

    private void Add(int left, int right, int piece)
    {
        var pair = Pair(left, right);
        ref var occurrences = ref CollectionsMarshal.GetValueRefOrAddDefault(_pairs, pair, out var exists);
        if (!exists)
        {
            occurrences = new Occurrences();
            _newPairs.Add(pair);
        }

        occurrences!.Add(piece, _pieceCounts[piece]);
    }

    private void Remove(int left, int right, int piece)
    {
        if (_pairs.TryGetValue(Pair(left, right), out var occurrences))
        {
            occurrences.Count -= _pieceCounts[piece];
        }
    }

    private void EnqueueNewPairs()
    {
        foreach (var pair in _newPairs)
        {
            Enqueue(pair, _pairs[pair].Count);
        }

        _newPairs.Clear();
    }

    /// <summary>A pair that is too rare is forgotten: its count never rises again.</summary>
    private void Enqueue(ulong pair, long count)
    {
        if (count >= _minimumCount)
        {
            _queue.Enqueue(pair, new Candidate(count, pair));
        }
        else
        {
            _pairs.Remove(pair);
        }
    }

    private static ulong Pair(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private sealed class Occurrences
    {
        public long Count;

        /// <summary>Pieces that held the pair when it was counted; a merge may have taken it out of some of them since.</summary>
        public readonly List<int> Pieces = [];

        public void Add(int piece, long count)
        {
            Count += count;
            if (Pieces.Count == 0 || Pieces[^1] != piece)
            {
                Pieces.Add(piece);
            }
        }
    }

    private readonly record struct Candidate(long Count, ulong Pair) : IComparable<Candidate>
    {
        public int CompareTo(Candidate other) => Count != other.Count ? other.Count.CompareTo(Count) : Pair.CompareTo(other.Pair);
    }
}
