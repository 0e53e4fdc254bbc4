namespace KvShiftScale.Parallel.Collectives;

/// <summary>How a reduction combines the elements of all ranks. Values are those of <c>kvs_reduce_op</c>.</summary>
public enum ReduceOperation
{
    /// <summary>Their sum.</summary>
    Sum = 0,

    /// <summary>The largest.</summary>
    Max = 1,

    /// <summary>The smallest.</summary>
    Min = 2,
}
