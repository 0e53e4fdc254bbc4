using System.Runtime.CompilerServices;
using KvShiftScale.Parallel.Kernels;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Collectives;

/// <summary>Collectives over contiguous tensors in host memory.</summary>
public static class TensorCollectives
{
    /// <summary>Reduces <paramref name="tensor"/> in place.</summary>
    public static void AllReduce(this ProcessGroup group, Tensor tensor, ReduceOperation operation = ReduceOperation.Sum,
        [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        group.AllReduce(TensorMemory.Address(tensor), tensor.numel(), ElementType(tensor), operation, file, line);
        GC.KeepAlive(tensor);
    }

    /// <summary>The rows of all ranks one after the other: [rows, columns] of each to [Size * rows, columns].</summary>
    public static Tensor AllGatherRows(this ProcessGroup group, Tensor part, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        var result = empty([part.size(0) * group.Size, part.size(1)], part.dtype);
        group.AllGather(TensorMemory.Address(part), TensorMemory.Address(result), part.numel(), ElementType(part), file, line);
        GC.KeepAlive(part);
        return result;
    }

    /// <summary>This rank's rows of the sum over ranks: [Size * rows, columns] of each to [rows, columns].</summary>
    public static Tensor ReduceScatterRows(this ProcessGroup group, Tensor whole, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        if (whole.size(0) % group.Size != 0)
        {
            throw new ArgumentException($"{whole.size(0)} rows cannot be divided among {group.Size} ranks", nameof(whole));
        }

        var result = empty([whole.size(0) / group.Size, whole.size(1)], whole.dtype);
        group.ReduceScatter(TensorMemory.Address(whole), TensorMemory.Address(result), result.numel(), ElementType(whole), file: file, line: line);
        GC.KeepAlive(whole);
        return result;
    }

    /// <summary>The collectives' number for the element type of a tensor.</summary>
    /// <exception cref="ArgumentException">No collective takes such elements.</exception>
    internal static CollectiveDataType ElementType(Tensor tensor) => tensor.dtype switch
    {
        ScalarType.Float32 => CollectiveDataType.Float32,
        ScalarType.Float64 => CollectiveDataType.Float64,
        ScalarType.BFloat16 => CollectiveDataType.BFloat16,
        ScalarType.Int32 => CollectiveDataType.Int32,
        ScalarType.Int64 => CollectiveDataType.Int64,
        _ => throw new ArgumentException($"tensors of type {tensor.dtype} cannot be exchanged", nameof(tensor)),
    };
}
