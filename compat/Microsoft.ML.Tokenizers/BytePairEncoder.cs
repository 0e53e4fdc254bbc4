using System.Buffers;
using System.Text;

namespace Microsoft.ML.Tokenizers;

/// <summary>Encodes one piece: the whole piece if it is a token, else its bytes merged lowest rank first, leftmost on ties.</summary>
internal sealed class BytePairEncoder
{
    private const int NoMerge = int.MaxValue;
    private const int NoSymbol = -1;

    private readonly int[] _byteIds = new int[256];
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _vocabulary;
    private readonly Dictionary<ulong, Merge> _merges = [];
    private readonly int _longestToken;
    private readonly PieceCache _cache = new();

    public BytePairEncoder(Dictionary<string, int> vocabulary, IEnumerable<string> merges)
    {
        _vocabulary = vocabulary.GetAlternateLookup<ReadOnlySpan<char>>();
        for (var value = 0; value < 256; value++)
        {
            var token = ByteAlphabet.Character((byte)value).ToString();
            _byteIds[value] = vocabulary.TryGetValue(token, out var id)
                ? id
                : throw new InvalidOperationException(
                    $"The vocabulary has no token '{token}' for byte 0x{value:X2}; byte-level BPE needs one for each of the 256 bytes.");
        }

        foreach (var token in vocabulary.Keys)
        {
            _longestToken = Math.Max(_longestToken, token.Length);
        }

        foreach (var line in merges)
        {
            AddMerge(line, vocabulary);
        }
    }

    /// <summary>The ids of a piece that is not empty. The array may be shared: callers only read it.</summary>
    public int[] Encode(ReadOnlySpan<char> piece)
    {
        var hash = string.GetHashCode(piece);
        var ids = _cache.Find(piece, hash);
        if (ids is null)
        {
            ids = EncodeUncached(piece);
            _cache.Add(piece, hash, ids);
        }

        return ids;
    }

    private void AddMerge(string line, Dictionary<string, int> vocabulary)
    {
        var blank = line.IndexOf(' ', StringComparison.Ordinal);
        if (blank <= 0 || blank == line.Length - 1 || line.IndexOf(' ', blank + 1) >= 0)
        {
            throw new InvalidOperationException($"Merge '{line}': expected two tokens with one blank between them.");
        }

        var left = Id(line[..blank]);
        var right = Id(line[(blank + 1)..]);
        var merged = Id(string.Concat(line.AsSpan(0, blank), line.AsSpan(blank + 1)));
        if (!_merges.TryAdd(Pair(left, right), new Merge(_merges.Count, merged)))
        {
            throw new InvalidOperationException($"Merge '{line}' is listed twice.");
        }

        int Id(string token) => vocabulary.TryGetValue(token, out var id)
            ? id
            : throw new InvalidOperationException($"Merge '{line}': token '{token}' is not in the vocabulary.");
    }

    private int[] EncodeUncached(ReadOnlySpan<char> piece)
    {
        var bytes = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(piece.Length));
        try
        {
            var byteCount = Encoding.UTF8.GetBytes(piece, bytes);
            return WholeToken(bytes.AsSpan(0, byteCount)) is { } id ? [id] : MergeBytes(bytes.AsSpan(0, byteCount));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private int? WholeToken(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > _longestToken)
        {
            return null;
        }

        Span<char> token = bytes.Length <= 256 ? stackalloc char[bytes.Length] : new char[bytes.Length];
        for (var i = 0; i < bytes.Length; i++)
        {
            token[i] = ByteAlphabet.Character(bytes[i]);
        }

        return _vocabulary.TryGetValue(token, out var id) ? id : null;
    }

    /// <summary>O(n log n): symbols in a linked list, candidate merges in a heap ordered by rank, then by position.</summary>
    private int[] MergeBytes(ReadOnlySpan<byte> bytes)
    {
        var count = bytes.Length;
        var numbers = ArrayPool<int>.Shared.Rent(4 * count);
        // One candidate for each first pair, and at most two more for each of the count - 1 merges.
        var candidates = ArrayPool<ulong>.Shared.Rent(3 * count);
        try
        {
            var symbols = numbers.AsSpan(0, count);
            var next = numbers.AsSpan(count, count);
            var previous = numbers.AsSpan(2 * count, count);
            var ranks = numbers.AsSpan(3 * count, count);
            for (var i = 0; i < count; i++)
            {
                symbols[i] = _byteIds[bytes[i]];
                next[i] = i + 1 < count ? i + 1 : NoSymbol;
                previous[i] = i - 1;
            }

            var heap = new MergeHeap(candidates);
            for (var i = 0; i < count; i++)
            {
                ranks[i] = RankAt(i, symbols, next);
                heap.PushIfMerge(ranks[i], i);
            }

            var remaining = count;
            while (heap.TryPop(out var rank, out var position))
            {
                if (ranks[position] != rank)
                {
                    continue;
                }

                var absorbed = next[position];
                symbols[position] = _merges[Pair(symbols[position], symbols[absorbed])].Id;
                next[position] = next[absorbed];
                ranks[absorbed] = NoMerge;
                remaining--;
                if (next[position] != NoSymbol)
                {
                    previous[next[position]] = position;
                }

                ranks[position] = RankAt(position, symbols, next);
                heap.PushIfMerge(ranks[position], position);
                if (previous[position] is var before and not NoSymbol)
                {
                    ranks[before] = RankAt(before, symbols, next);
                    heap.PushIfMerge(ranks[before], before);
                }
            }

            var ids = new int[remaining];
            for (int i = 0, position = 0; position != NoSymbol; position = next[position])
            {
                ids[i++] = symbols[position];
            }

            return ids;
        }
        finally
        {
            ArrayPool<ulong>.Shared.Return(candidates);
            ArrayPool<int>.Shared.Return(numbers);
        }
    }

    private int RankAt(int position, ReadOnlySpan<int> symbols, ReadOnlySpan<int> next)
        => next[position] != NoSymbol && _merges.TryGetValue(Pair(symbols[position], symbols[next[position]]), out var merge)
            ? merge.Rank
            : NoMerge;

    private static ulong Pair(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private readonly record struct Merge(int Rank, int Id);

    /// <summary>A binary heap over a lent array; a candidate is rank in the high half, position in the low one.</summary>
    private ref struct MergeHeap(Span<ulong> candidates)
    {
        private readonly Span<ulong> _candidates = candidates;
        private int _count;

        public void PushIfMerge(int rank, int position)
        {
            if (rank == NoMerge)
            {
                return;
            }

            var candidate = ((ulong)(uint)rank << 32) | (uint)position;
            var hole = _count++;
            for (var parent = (hole - 1) / 2; hole > 0 && candidate < _candidates[parent]; parent = (hole - 1) / 2)
            {
                _candidates[hole] = _candidates[parent];
                hole = parent;
            }

            _candidates[hole] = candidate;
        }

        public bool TryPop(out int rank, out int position)
        {
            if (_count == 0)
            {
                rank = position = 0;
                return false;
            }

            rank = (int)(_candidates[0] >> 32);
            position = (int)(uint)_candidates[0];
            var last = _candidates[--_count];
            var hole = 0;
            for (var child = 1; child < _count; child = (2 * hole) + 1)
            {
                if (child + 1 < _count && _candidates[child + 1] < _candidates[child])
                {
                    child++;
                }

                if (last <= _candidates[child])
                {
                    break;
                }

                _candidates[hole] = _candidates[child];
                hole = child;
            }

            _candidates[hole] = last;
            return true;
        }
    }
}
