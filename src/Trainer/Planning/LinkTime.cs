using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.Trainer.Planning;

/// <summary>Seconds of collectives along the axes of a mesh, by the ring's formulas, over the links that the group's ranks have between them.</summary>
/// <param name="hardware">The links.</param>
/// <param name="layout">The mesh.</param>
/// <param name="ranksPerNode">Ranks that the launcher numbers one after the other on a node.</param>
internal sealed class LinkTime(HardwareProfile hardware, MeshLayout layout, int ranksPerNode)
{
    /// <summary>Ranks of a group along some axes.</summary>
    public int Size(params IReadOnlyList<MeshAxis> axes) => axes.Aggregate(1, (product, axis) => product * layout.DegreeOf(axis));

    /// <summary>Every rank gets the others' parts, or its part of the sum: (n - 1) / n of the bytes of the whole pass each link.</summary>
    public double GatherOrScatter(double bytes, params IReadOnlyList<MeshAxis> axes) => Ring(bytes, Size(axes), axes);

    /// <summary>Every rank gets the sum: a scattered sum, gathered.</summary>
    public double Sum(double bytes, params IReadOnlyList<MeshAxis> axes) => 2 * Ring(bytes, Size(axes), axes);

    /// <summary>A message to a neighbour along an axis.</summary>
    public double Message(double bytes, MeshAxis axis) => bytes / Bandwidth([axis]) + Latency([axis]);

    /// <summary>Whether all ranks of a group are on one node.</summary>
    public bool IsInsideNode(IReadOnlyList<MeshAxis> axes)
    {
        // From the outermost of the axes on: the ranks from a group's first to its last.
        var outermost = layout.Axes.Index().Where(axis => axes.Contains(axis.Item) && layout.DegreeOf(axis.Item) > 1).Select(axis => axis.Index).DefaultIfEmpty(-1).First();
        return outermost < 0 || ranksPerNode % layout.Axes.Skip(outermost).Aggregate(1, (product, axis) => product * layout.DegreeOf(axis)) == 0;
    }

    /// <summary>A sum of a few numbers over all ranks along some axes: they go by latency, in as many exchanges of all of them as the ranks can be halved.</summary>
    public double SumOfNumbers(double bytes, params IReadOnlyList<MeshAxis> axes)
        => Math.Ceiling(Math.Log2(Size(axes))) * (bytes / Bandwidth(axes) + Latency(axes));

    /// <summary>Once around a ring of so many ranks, which may be some only of those along the axes: every rank gives each other its part of the bytes, or gets it.</summary>
    public double Ring(double bytes, int ranks, IReadOnlyList<MeshAxis> axes)
        => ranks == 1 ? 0 : (ranks - 1) * (bytes / ranks / Bandwidth(axes) + Latency(axes));

    private double Bandwidth(IReadOnlyList<MeshAxis> axes)
        => hardware.BandwidthEfficiency * (IsInsideNode(axes) ? hardware.NodeBytesPerSecond : hardware.NetworkBytesPerSecond);

    private double Latency(IReadOnlyList<MeshAxis> axes) => IsInsideNode(axes) ? hardware.NodeLatencySeconds : hardware.NetworkLatencySeconds;
}
