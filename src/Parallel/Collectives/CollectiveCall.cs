namespace KvShiftScale.Parallel.Collectives;

/// <summary>What a rank asks for in one collective, in which all ranks of the group have to ask for the same, or in one message.</summary>
/// <param name="Operation">The operation.</param>
/// <param name="DataType">Type of the elements; null where nothing is exchanged.</param>
/// <param name="Count">Elements: of the whole buffer where everybody has one, of one part where it has as many parts as ranks.</param>
/// <param name="Variant">The number of the reduction, the root of a broadcast, the other rank of a message, or -1.</param>
/// <param name="File">Source file of the caller, a literal.</param>
/// <param name="Line">Line in it.</param>
public readonly record struct CollectiveCall(CollectiveOperation Operation, CollectiveDataType? DataType, long Count, int Variant, string File, int Line)
{
    /// <summary>The place in the sources, without the folders above them: <c>src/Parallel/Regions/TensorRegion.cs:120</c>.</summary>
    public string Site => FormattableString.Invariant($"{Shortened(File)}:{Line}");

    /// <summary>The operation in the words of MPI and NCCL, with its elements.</summary>
    public override string ToString()
        => DataType is { } type ? FormattableString.Invariant($"{NameOf(Operation)} of {Count} {NameOf(type)}{VariantText}") : NameOf(Operation);

    /// <summary>Only two ranks know of it.</summary>
    public bool IsMessage => Operation is CollectiveOperation.Send or CollectiveOperation.Receive;

    internal static string NameOf(CollectiveOperation operation) => operation switch
    {
        CollectiveOperation.AllReduce => "all_reduce",
        CollectiveOperation.ReduceScatter => "reduce_scatter",
        CollectiveOperation.AllGather => "all_gather",
        CollectiveOperation.Broadcast => "broadcast",
        CollectiveOperation.Barrier => "barrier",
        CollectiveOperation.Split => "split",
        CollectiveOperation.Send => "send",
        CollectiveOperation.Receive => "receive",
        _ => FormattableString.Invariant($"operation {(int)operation}"),
    };

    private static string NameOf(CollectiveDataType type) => type switch
    {
        CollectiveDataType.Float32 => "float32",
        CollectiveDataType.Float64 => "float64",
        CollectiveDataType.BFloat16 => "bfloat16",
        CollectiveDataType.Int32 => "int32",
        CollectiveDataType.Int64 => "int64",
        _ => FormattableString.Invariant($"elements of type {(int)type}"),
    };

    private string VariantText => Operation switch
    {
        CollectiveOperation.AllReduce or CollectiveOperation.ReduceScatter when Variant >= 0 => $" ({((ReduceOperation)Variant).ToString().ToLowerInvariant()})",
        CollectiveOperation.Broadcast or CollectiveOperation.Receive => FormattableString.Invariant($" from its rank {Variant}"),
        CollectiveOperation.Send => FormattableString.Invariant($" to its rank {Variant}"),
        _ => "",
    };

    // The compiler gives the path on the machine that built the program.
    private static string Shortened(string file)
    {
        foreach (var root in (ReadOnlySpan<string>)["/src/", "/tests/", "/bench/"])
        {
            if (file.LastIndexOf(root, StringComparison.Ordinal) is var start and >= 0)
            {
                return file[(start + 1)..];
            }
        }
        return Path.GetFileName(file);
    }
}
