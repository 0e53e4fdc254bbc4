using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Collectives;

/// <summary>Collectives of a group in the forms in which tensor-parallel and context-parallel ranks need them.</summary>
public static class TensorCollectives
{
    /// <summary>Reduces <paramref name="tensor"/> in place.</summary>
    public static void AllReduce(this ProcessGroup group, Tensor tensor, ReduceOperation operation = ReduceOperation.Sum,
        [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
        => group.Collectives.AllReduce(tensor, operation, file, line);

    /// <summary>The rows of all ranks one after the other: [rows, columns] of each to [Size * rows, columns].</summary>
    public static Tensor AllGatherRows(this ProcessGroup group, Tensor part, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        var result = empty([part.size(0) * group.Size, part.size(1)], part.dtype, part.device);
        group.Collectives.AllGather(part, result, file, line);
        return result;
    }

    /// <summary>This rank's rows of the sum over ranks: [Size * rows, columns] of each to [rows, columns].</summary>
    public static Tensor ReduceScatterRows(this ProcessGroup group, Tensor whole, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        if (whole.size(0) % group.Size != 0)
        {
            throw new ArgumentException($"{whole.size(0)} rows cannot be divided among {group.Size} ranks", nameof(whole));
        }

        var result = empty([whole.size(0) / group.Size, whole.size(1)], whole.dtype, whole.device);
        group.Collectives.ReduceScatter(whole, result, file: file, line: line);
        return result;
    }

    /// <summary>The collectives' number for the element type of a tensor.</summary>
    /// <exception cref="ArgumentException">No collective takes such elements.</exception>
    internal static CollectiveDataType ElementType(this Tensor tensor) => tensor.dtype switch
    {
        ScalarType.Float32 => CollectiveDataType.Float32,
        ScalarType.Float64 => CollectiveDataType.Float64,
        ScalarType.BFloat16 => CollectiveDataType.BFloat16,
        ScalarType.Int32 => CollectiveDataType.Int32,
        ScalarType.Int64 => CollectiveDataType.Int64,
        _ => throw new ArgumentException($"tensors of type {tensor.dtype} cannot be exchanged", nameof(tensor)),
    };
}
