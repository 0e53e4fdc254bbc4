using KvShiftScale.Models.Configuration;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Planning;

/// <summary>Where a run would be, and what of its model does not depend on the layout.</summary>
/// <param name="Hardware">A device and its links.</param>
/// <param name="Nodes">Machines.</param>
/// <param name="RanksPerNode">Devices of each.</param>
/// <param name="FlopsPerToken">Operations of a token, forward and backward.</param>
/// <param name="Parameters">Parameters of the whole model.</param>
internal sealed record Cluster(HardwareProfile Hardware, int Nodes, int RanksPerNode, double FlopsPerToken, double Parameters)
{
    /// <summary>One rank for each device.</summary>
    public int Ranks => Nodes * RanksPerNode;

    /// <summary>For a run.</summary>
    public static Cluster For(RunConfig config, HardwareProfile hardware, int nodes, int ranksPerNode) => new(hardware, nodes, ranksPerNode,
        ModelCost.TrainingFlopsPerToken(config.Model, config.Data.Context, causal: true), ModelCost.Parameters(config.Model));
}
