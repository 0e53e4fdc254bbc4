using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Probing;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Session;
using static TorchSharp.torch;

namespace KvShiftScale.ParityProgram;

/// <summary>
/// What a run left: a loss and a gradient norm for each step, this rank's parts of the parameters in float64, and all numbers of a probe of the
/// trained model.
/// </summary>
internal sealed record ParityRun(double[] Losses, double[] GradientNorms, IReadOnlyList<(string Name, ParameterShard Shard, double[] Values)> Parameters,
    double[] Probe)
{
    private const long Seed = 7;

    /// <summary>Trains with the product's own step.</summary>
    public static ParityRun Train(ParityCase test, ParallelContext ranks, string shard, Precision precision, KernelChoice kernels = KernelChoice.Auto)
    {
        var config = ConfigOf(test, precision, kernels);
        // Buckets that end in the middle of a layer.
        using var session = TrainingSession.Create(config, ranks, bucketBytes: 4096);
        var (model, parameters) = (session.Model, session.Model.Parameters);
        session.Initialize(Seed);
        using var batches = BatchesOf(config, ranks, shard);
        var (losses, norms) = (new double[test.Steps], new double[test.Steps]);
        for (var i = 0; i < test.Steps; i++)
        {
            var outcome = session.Step(i + 1, batches);
            (losses[i], norms[i]) = (outcome.Loss, outcome.GradientNorm);
        }
        var probe = CanProbe(test, ranks) ? NumbersOf(new InductionProbe(model, [.. Enumerable.Range(0, test.Model.VocabSize)]).Run()) : [];
        using var scope = NewDisposeScope();
        return new ParityRun(losses, norms,
            [.. parameters.Slots.Select(slot => (slot.Name, slot.Shard, slot.Parameter.detach().to(ScalarType.Float64).view(-1).data<double>().ToArray()))],
            probe);
    }

    /// <summary>What a case trains with.</summary>
    public static RunConfig ConfigOf(ParityCase test, Precision precision, KernelChoice kernels) => new()
    {
        Run = new RunSection { Name = "parity", Steps = test.Steps, Deterministic = test.Layout.CanonicalLeaves > 0, Kernels = kernels },
        Model = test.Model,
        Data = new DataConfig
        {
            Context = test.Context,
            GlobalBatch = test.GlobalBatch,
            MicroBatch = test.MicroBatch,
            DocumentMask = test.DocumentMask,
        },
        Parallel = test.Layout,
        Optimizer = new OptimizerConfig { Lr = 3e-3, WarmupSteps = 4, ClipNorm = 0.5 },
        Precision = precision,
    };

    /// <summary>This rank's batches of a case.</summary>
    public static TrainingBatches BatchesOf(RunConfig config, ParallelContext ranks, string shard)
        => new(ShardCatalog.Open([new DataSource(shard)]), config.Data, Seed, config.Model.VocabSize, new DataShare(ranks.Data.Rank, ranks.Data.Size));

    // Sequence-parallel ranks that do not divide a probe's tokens look at shorter copies than one rank, and a short context has no room for two.
    private static bool CanProbe(ParityCase test, ParallelContext ranks)
    {
        var length = Math.Min(InductionProbe.MaximumLength, Math.Min(test.Context / 2, test.Model.VocabSize));
        return length >= 2 && (!(ranks.Tensor.Size > 1 && test.Layout.IsSequenceParallel) || InductionProbe.Sequences * 2 * length % ranks.Tensor.Size == 0);
    }

    private static double[] NumbersOf(InductionScores scores)
        => [scores.Accuracy, scores.FirstCopyLoss, scores.SecondCopyLoss, .. scores.Layers.SelectMany(HeadsOf)];

    private static IEnumerable<double> HeadsOf(LayerScores layer)
        => ((IReadOnlyList<float>[])[layer.PrefixMatching, layer.Copying, .. layer.KeyShift ?? [], .. layer.ValueShift ?? []])
            .SelectMany(row => row).Select(value => (double)value);
}
