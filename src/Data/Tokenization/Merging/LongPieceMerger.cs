using System.Buffers;

namespace KvShiftScale.Data.Tokenization.Merging;

/// <summary>
/// Merges pieces of any length. The time for a symbol hardly grows with the length of the piece: candidates wait by bands of ranks, and only
/// those of the band at hand are kept in order.
/// </summary>
internal static class LongPieceMerger
{
    private const int NoNode = -1;

    /// <inheritdoc cref="SymbolMerger.Merge"/>
    public static int Merge(MergeTable merges, Span<int> symbols)
    {
        var count = symbols.Length;
        var rented = ArrayPool<Node>.Shared.Rent(count);
        var queue = new CandidateQueue(merges.RankCount, count);
        try
        {
            var nodes = rented.AsSpan(0, count);
            for (var i = 0; i < count; i++)
            {
                nodes[i] = new Node
                {
                    Symbol = symbols[i],
                    Next = i + 1 < count ? i + 1 : NoNode,
                    Previous = i - 1,
                    Rank = i + 1 < count ? merges.FindRank(symbols[i], symbols[i + 1]) : Node.NoMerge,
                };
                if (nodes[i].Rank != Node.NoMerge)
                {
                    queue.Push(nodes[i].Rank, i);
                }
            }

            while (queue.TryPop(out var rank, out var position))
            {
                ref var node = ref nodes[position];
                if (node.Rank != rank)
                {
                    continue;
                }

                node.Symbol = merges.Id(rank);
                ref var absorbed = ref nodes[node.Next];
                absorbed.Rank = Node.NoMerge;
                node.Next = absorbed.Next;
                node.Rank = Node.NoMerge;
                if (node.Next != NoNode)
                {
                    ref var after = ref nodes[node.Next];
                    after.Previous = position;
                    node.Rank = merges.FindRank(node.Symbol, after.Symbol);
                    if (node.Rank != Node.NoMerge)
                    {
                        queue.Push(node.Rank, position);
                    }
                }

                if (node.Previous != NoNode)
                {
                    ref var before = ref nodes[node.Previous];
                    before.Rank = merges.FindRank(before.Symbol, node.Symbol);
                    if (before.Rank != Node.NoMerge)
                    {
                        queue.Push(before.Rank, node.Previous);
                    }
                }
            }

            var left = 0;
            for (var position = 0; position != NoNode; position = nodes[position].Next)
            {
                symbols[left++] = nodes[position].Symbol;
            }

            return left;
        }
        finally
        {
            queue.Dispose();
            ArrayPool<Node>.Shared.Return(rented);
        }
    }

    /// <summary>A symbol in the list of those that are left, and the rank of its merge with the next one.</summary>
    private struct Node
    {
        public const int NoMerge = -1;

        public int Symbol;
        public int Next;
        public int Previous;
        public int Rank;
    }
}
