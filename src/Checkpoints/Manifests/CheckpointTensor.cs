using KvShiftScale.Checkpoints.Safetensors;
using KvShiftScale.Parallel.Parameters;

namespace KvShiftScale.Checkpoints.Manifests;

/// <summary>Elements of a global tensor, packed as a tensor of a file.</summary>
/// <param name="File">Name of the file below the checkpoint.</param>
/// <param name="Entry">Name of the tensor in the file.</param>
/// <param name="Runs">Which elements of the global tensor they are, in its row-major order.</param>
/// <param name="Hash">Sum of their <see cref="ElementHash"/>.</param>
public sealed record TensorSlice(string File, string Entry, ElementRuns Runs, ulong Hash);

/// <summary>A global tensor of a checkpoint and where its elements are, each of them once.</summary>
/// <param name="Name">A parameter's name; with <c>exp_avg.</c> or <c>exp_avg_sq.</c> before it for AdamW's moments.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Shape, without padding.</param>
/// <param name="Slices">Parts that files hold, in no order.</param>
public sealed record CheckpointTensor(string Name, SafetensorsType Type, IReadOnlyList<long> Shape, IReadOnlyList<TensorSlice> Slices)
{
    /// <summary>Prefix of the first moment's name.</summary>
    public const string ExpAvgPrefix = "exp_avg.";

    /// <summary>Prefix of the second moment's name.</summary>
    public const string ExpAvgSqPrefix = "exp_avg_sq.";

    /// <summary>Elements of the whole tensor.</summary>
    public long ElementCount => Shape.Aggregate(1L, (product, extent) => checked(product * extent));

    /// <summary>Whether it is a parameter, not a moment.</summary>
    public bool IsParameter => KindOf(Name).Length == 0;

    /// <summary>The prefix of a name; empty for a parameter's.</summary>
    public static string KindOf(string name)
        => name.StartsWith(ExpAvgPrefix, StringComparison.Ordinal) ? ExpAvgPrefix
        : name.StartsWith(ExpAvgSqPrefix, StringComparison.Ordinal) ? ExpAvgSqPrefix
        : "";

    /// <summary>Each tensor once, with the slices of all ranks.</summary>
    internal static IReadOnlyList<CheckpointTensor> Join(IEnumerable<CheckpointTensor> parts)
        => [.. parts.GroupBy(part => part.Name).Select(same => same.First() with
        {
            Slices = [.. same.SelectMany(part => part.Slices).OrderBy(slice => slice.Runs.Start)],
        }).OrderBy(tensor => tensor.Name, StringComparer.Ordinal)];

    /// <summary>Name, element type and shape.</summary>
    public SafetensorsEntry Entry => new(Name, Type, Shape);

    /// <summary>Sum over all elements, which does not depend on how they are divided.</summary>
    public ulong Hash => Slices.Aggregate(0UL, (sum, slice) => unchecked(sum + slice.Hash));
}
