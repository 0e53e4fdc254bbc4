namespace KvShiftScale.Data.Tokenization.Merging;

/// <summary>A heap of numbers, the smallest on top, four children each.</summary>
internal static class CandidateHeap
{
    private const int Children = 4;

    /// <summary>Makes a heap of numbers in any order.</summary>
    public static void Arrange(Span<ulong> heap)
    {
        // From the last one that has children.
        for (var index = (heap.Length + Children - 2) / Children - 1; index >= 0; index--)
        {
            Sink(heap, index, heap[index]);
        }
    }

    public static void Push(Span<ulong> storage, ref int count, ulong candidate)
    {
        var hole = count++;
        while (hole > 0)
        {
            var parent = (hole - 1) / Children;
            if (candidate >= storage[parent])
            {
                break;
            }

            storage[hole] = storage[parent];
            hole = parent;
        }

        storage[hole] = candidate;
    }

    /// <summary>Takes the smallest out of a heap that is not empty.</summary>
    public static ulong Pop(Span<ulong> storage, ref int count)
    {
        var smallest = storage[0];
        count--;
        if (count > 0)
        {
            Sink(storage[..count], 0, storage[count]);
        }

        return smallest;
    }

    private static void Sink(Span<ulong> heap, int hole, ulong candidate)
    {
        while (true)
        {
            var child = (Children * hole) + 1;
            if (child >= heap.Length)
            {
                break;
            }

            var smallest = child;
            var end = Math.Min(child + Children, heap.Length);
            for (var other = child + 1; other < end; other++)
            {
                if (heap[other] < heap[smallest])
                {
                    smallest = other;
                }
            }

            if (candidate <= heap[smallest])
            {
                break;
            }

            heap[hole] = heap[smallest];
            hole = smallest;
        }

        heap[hole] = candidate;
    }
}
