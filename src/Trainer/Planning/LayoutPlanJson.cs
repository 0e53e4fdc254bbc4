using System.Text.Json;
using KvShiftScale.Core.Text;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.Trainer.Planning;

/// <summary>Plans of layouts as one JSON document.</summary>
internal static class LayoutPlanJson
{
    private static readonly JsonSerializerOptions Options = new(RecordJson.Line) { WriteIndented = true };

    /// <summary>The fastest layouts, and why others fall out.</summary>
    public static string Of(LayoutSearch search, Cluster cluster, int top) => Write(cluster, search.Layouts.Take(top), search.Layouts.Count, search.TooLarge, search.Refused);

    /// <summary>One layout.</summary>
    public static string Of(LayoutPlan plan, Cluster cluster) => Write(cluster, [plan], plan.MemoryBytes <= cluster.Hardware.MemoryBytes ? 1 : 0, [], []);

    private static string Write(Cluster cluster, IEnumerable<LayoutPlan> plans, int fitting, IReadOnlyList<LeftOut> tooLarge, IReadOnlyList<LeftOut> refused)
        => JsonSerializer.Serialize(new Document(cluster.Nodes, cluster.RanksPerNode, cluster.Hardware, fitting, [.. plans.Select(Of)], tooLarge, refused), Options);

    private static Layout Of(LayoutPlan plan)
    {
        var (config, parallel) = (plan.Plan.Config, plan.Plan.Config.Parallel);
        return new Layout(plan.Plan.DataRanks, parallel.Tensor, parallel.IsSequenceParallel, parallel.Context, parallel.Pipeline, parallel.VirtualStages, config.Data.MicroBatch, parallel.OptimizerSharding,
            parallel.Recompute, plan.MemoryBytes, Terms(plan.Memory), plan.StepSeconds, Terms(plan.Time), plan.TokensPerSecond, plan.Mfu, plan.Days, plan.CheckpointBytes,
            plan.CheckpointSeconds);
    }

    private static Term[] Terms(IReadOnlyList<PlanTerm> terms) => [.. terms.Select(term => new Term(term.Name, term.Value, Quantity.Format(term.Formula)))];

    private sealed record Document(int Nodes, int GpusPerNode, HardwareProfile Hardware, int Fitting, Layout[] Layouts, IReadOnlyList<LeftOut> TooLarge, IReadOnlyList<LeftOut> Refused);

    private sealed record Layout(int Data, int Tensor, bool Sequence, int Context, int Pipeline, int VirtualStages, int MicroBatch, OptimizerSharding OptimizerSharding, Recompute Recompute,
        double MemoryBytes, Term[] Memory, double StepSeconds, Term[] Time, double TokensPerSecond, double Mfu, double Days, double CheckpointBytes, double CheckpointSeconds);

    private sealed record Term(string Name, double Value, string Formula);
}
