using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Planning;

/// <summary>What one layout of a run takes on given hardware: the bytes of the rank that has most, and the seconds of a step.</summary>
internal sealed class LayoutPlan
{
    // Of backward in a micro-batch's time where nothing is made again.
    private const double BackwardShare = 2.0 / 3;

    private readonly Cluster _cluster;
    private readonly LinkTime _links;
    // Most layouts do not fit, and are not asked for their time.
    private readonly Lazy<IReadOnlyList<PlanTerm>> _time;

    /// <param name="plan">The run in this layout; it keeps the rules of a launch.</param>
    /// <param name="held">What ranks hold of the model's parameters.</param>
    /// <param name="cluster">Where it would run.</param>
    public LayoutPlan(RunPlan plan, HeldParameters held, Cluster cluster)
    {
        Plan = plan;
        _cluster = cluster;
        _links = new LinkTime(cluster.Hardware, MeshLayout.Create(plan.Ranks, Parallel), cluster.RanksPerNode);
        _time = new(TimeTerms);
        var stages = Parallel.Pipeline;
        // The first stage has most micro-batches in flight, the second perhaps larger layers where not all are alike, the last the head.
        (MemoryStage, Memory) = new[] { 0, plan.Config.Model.SlidingWindow > 0 ? Math.Min(1, stages - 1) : 0, stages - 1 }.Distinct()
            .Select(stage => (stage, StageMemory.Terms(plan, held, stage, cluster.RanksPerNode))).MaxBy(stage => stage.Item2.Sum(term => term.Value));
        MemoryBytes = Memory.Sum(term => term.Value);
        // A parameter and two moments, in float32 at least, each once.
        CheckpointBytes = 3.0 * ElementBytes.Of(plan.Config.Precision).Wide * cluster.Parameters;
        CheckpointSeconds = CheckpointBytes / cluster.Nodes / Hardware.DiskBytesPerSecond;
    }

    /// <summary>The run.</summary>
    public RunPlan Plan { get; }

    /// <summary>The stage whose ranks have most bytes.</summary>
    public int MemoryStage { get; }

    /// <summary>The terms of its bytes.</summary>
    public IReadOnlyList<PlanTerm> Memory { get; }

    /// <summary>Bytes of tensors of a rank at their peak.</summary>
    public double MemoryBytes { get; }

    /// <summary>The terms of a step's seconds, those of the slowest stage.</summary>
    public IReadOnlyList<PlanTerm> Time => _time.Value;

    /// <summary>Seconds of a step.</summary>
    public double StepSeconds => Time.Sum(term => term.Value);

    /// <summary>Tokens a second of all ranks.</summary>
    public double TokensPerSecond => Plan.TokensPerStep / StepSeconds;

    /// <summary>Share of the devices' peak, 0 to 1.</summary>
    public double Mfu => Plan.TokensPerStep / StepSeconds * _cluster.FlopsPerToken / (Plan.Ranks * PassTime.Peak(Hardware, Config.Precision));

    /// <summary>Days of all steps.</summary>
    public double Days => StepSeconds * Plan.Config.Run.Steps / 86_400;

    /// <summary>Bytes of one checkpoint.</summary>
    public double CheckpointBytes { get; }

    /// <summary>Seconds in which all nodes together write it.</summary>
    public double CheckpointSeconds { get; }

    private RunConfig Config => Plan.Config;

    private HardwareProfile Hardware => _cluster.Hardware;

    private ParallelConfig Parallel => Config.Parallel;

    private IReadOnlyList<PlanTerm> TimeTerms()
    {
        var (stages, microBatches) = (Parallel.Pipeline, Plan.MicroSteps);
        var passes = Passes();
        var slowest = Enumerable.Range(0, stages).MaxBy(stage => passes[stage].Total);
        var pass = passes[slowest];
        var others = passes.Sum(other => other.Total) - pass.Total;
        var gradient = Plan.ElementsOfStage(slowest) * ElementBytes.Of(Config.Precision).Wide;
        // Gradients that are kept in parts are summed in every micro-batch, beside its own backward.
        var sums = Parallel.OptimizerSharding == OptimizerSharding.Zero2 ? microBatches : 1;
        return
        [
            Of("products", pass.Products, $"{Hardware.ProductEfficiency:0.###} of {PassTime.Peak(Hardware, Config.Precision):0.###e+0} operations/s"),
            Of("attention", pass.Attention, $"{Hardware.AttentionEfficiency:0.###} of the peak"),
            Of("kernels bound by memory", pass.Kernels, $"{PassTime.KernelRate(Hardware):0.###e+0} B/s"),
            Of("tensor collectives", pass.TensorLinks, $"over {Parallel.Tensor} ranks {Where(MeshAxis.Tensor)}"),
            Of("context collectives", pass.ContextLinks, $"over {Parallel.Context} ranks {Where(MeshAxis.Context)}"),
            Of("messages of the pipeline", pass.Messages, $"to neighbours {Where(MeshAxis.Pipeline)}"),
            new("bubble", others / Parallel.VirtualStages, $"a micro-batch through {(Parallel.VirtualStages > 1 ? "a chunk of " : "")}the other {stages - 1} stages; slowest is stage {slowest}"),
            Exposed("sums of gradients", Parallel.OptimizerSharding == OptimizerSharding.None
                ? _links.Sum(gradient, MeshAxis.Data, MeshAxis.Context) : sums * _links.GatherOrScatter(gradient, MeshAxis.Data, MeshAxis.Context), sums * BackwardShare * pass.Total),
            Exposed("gathering of parameters", Parallel.OptimizerSharding == OptimizerSharding.None
                ? 0 : _links.GatherOrScatter(Plan.ElementsOfStage(slowest) * ElementBytes.Of(Config.Precision).Narrow, MeshAxis.Data, MeshAxis.Context), (1 - BackwardShare) * pass.Total),
            Optimizer(slowest),
        ];

        PlanTerm Of(string name, double seconds, FormattableString rate)
            => new(name, microBatches * seconds, $"{microBatches} micro-batches x {seconds:0.###e+0} s, {rate}");

        FormattableString Where(MeshAxis axis) => $"{(_links.IsInsideNode([axis]) ? "inside a node" : "between nodes")}";
    }

    // One for each stage.
    private PassTime[] Passes()
    {
        // Where layers slide every second one does, so that two are all kinds.
        PassTime[] kinds = [.. Enumerable.Range(0, Config.Model.SlidingWindow > 0 ? Math.Min(2, Config.Model.Layers) : 1).Select(layer => PassTime.OfLayer(Config, layer, Hardware, _links))];
        var (embedding, head) = (PassTime.OfEmbedding(Config, Hardware, _links), PassTime.OfHead(Config, Hardware, _links));
        var (stages, chunks) = (Parallel.Pipeline, Parallel.VirtualStages);
        // Each chunk has one before it and one after it, but for the first of all and the last.
        var (atEnds, between) = (PassTime.OfMessages(Config, 2 * chunks - 1, _links), PassTime.OfMessages(Config, 2 * chunks, _links));
        return [.. Enumerable.Range(0, stages).Select(stage =>
        {
            var own = StageChunks.Of(Config.Model.Layers, stage, stages, chunks);
            var pass = stages == 1 ? default : own.HasEmbedding || own.HasHead ? atEnds : between;
            foreach (var range in own.Chunks)
            {
                for (var layer = range.FirstLayer; layer < range.EndLayer; layer++)
                {
                    pass += kinds[layer % kinds.Length];
                }
            }

            return pass + (own.HasEmbedding ? embedding : default) + (own.HasHead ? head : default);
        })];
    }

    private PlanTerm Exposed(string name, double seconds, double beside)
    {
        var hidden = Parallel.Overlap && !Config.Run.Deterministic ? Hardware.OverlapShare * Math.Min(seconds, beside) : 0;
        return new(name, seconds - hidden, $"{seconds:0.###e+0} s over {Plan.Replicas} replicas, {hidden:0.###e+0} s of it beside computation");
    }

    private PlanTerm Optimizer(int stage)
    {
        var bytes = ElementBytes.Of(Config.Precision);
        var owned = Plan.ElementsOfStage(stage) / (Parallel.OptimizerSharding == OptimizerSharding.None ? 1 : Plan.Replicas);
        var perElement = PassTime.UpdateBytes(bytes);
        return new("optimizer", owned * perElement / PassTime.KernelRate(Hardware), $"{owned:N0} elements x {perElement} B");
    }
}
