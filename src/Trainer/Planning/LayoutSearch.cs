using KvShiftScale.Core.Configuration;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Planning;

/// <summary>Layouts that were left out for one reason.</summary>
/// <param name="Reason">The key of the rule that refuses them, or the part of memory that is largest.</param>
/// <param name="Example">What was said of one of them.</param>
/// <param name="Count">How many.</param>
internal sealed record LeftOut(string Reason, string Example, int Count);

/// <summary>Every layout of a run on a cluster, the fastest first, and why others fall out.</summary>
internal sealed class LayoutSearch
{
    // More would make messages of little work each.
    private static readonly int[] Chunks = [1, 2, 4];

    private readonly Dictionary<string, LeftOut> _refused = [];
    private readonly Dictionary<string, LeftOut> _tooLarge = [];

    private LayoutSearch()
    {
    }

    /// <summary>Layouts that fit, in the order of a step's seconds.</summary>
    public IReadOnlyList<LayoutPlan> Layouts { get; private set; } = [];

    /// <summary>Those that no launch would begin with, by the key of the first rule that they break, the most frequent first.</summary>
    public IReadOnlyList<LeftOut> Refused => [.. _refused.Values.OrderByDescending(left => left.Count)];

    /// <summary>Those that a launch would begin with and that do not fit into memory, by their largest part.</summary>
    public IReadOnlyList<LeftOut> TooLarge => [.. _tooLarge.Values.OrderByDescending(left => left.Count)];

    /// <summary>Looks at all.</summary>
    /// <param name="config">The run; its own layout, micro-batch, sharing and recompute are not looked at.</param>
    /// <param name="cluster">Where it would run.</param>
    public static LayoutSearch Of(RunConfig config, Cluster cluster)
    {
        var search = new LayoutSearch();
        var held = new HeldParameters(config.Model);
        var fitting = new List<LayoutPlan>();
        foreach (var division in Divisions(config, cluster.Ranks).AsParallel().AsOrdered().Select(divided => Division.Of(divided, cluster, held)))
        {
            fitting.AddRange(division.Fitting);
            Count(search._refused, division.Refused);
            Count(search._tooLarge, division.TooLarge);
        }

        // The smaller of two that are as fast.
        search.Layouts = [.. fitting.OrderBy(plan => plan.StepSeconds).ThenBy(plan => plan.MemoryBytes)];
        return search;
    }

    private static IEnumerable<RunConfig> Divisions(RunConfig config, int ranks)
        => from tensor in Divisors(ranks)
           from context in Divisors(ranks / tensor)
           from pipeline in Divisors(ranks / tensor / context)
           from sequence in tensor == 1 || config.Parallel.Sequence is not null ? [config.Parallel.Sequence] : new bool?[] { true, false }
           from microBatch in Divisors(config.Data.GlobalBatch)
           select config with
           {
               Parallel = config.Parallel with { Tensor = tensor, Context = context, Pipeline = pipeline, Sequence = sequence, OptimizerSharding = OptimizerSharding.None },
               Data = config.Data with { MicroBatch = microBatch },
           };

    private static IEnumerable<int> Divisors(int of) => Enumerable.Range(1, of).Where(number => of % number == 0);

    private static void Count(Dictionary<string, LeftOut> left, IEnumerable<(string Reason, FormattableString Example)> others)
    {
        foreach (var (reason, example) in others)
        {
            left[reason] = left.TryGetValue(reason, out var known) ? known with { Count = known.Count + 1 } : new LeftOut(reason, ConfigFaultList.Format(example), 1);
        }
    }

    // Layouts that divide ranks and rows in one way.
    private sealed record Division(List<LayoutPlan> Fitting, List<(string, FormattableString)> Refused, List<(string, FormattableString)> TooLarge)
    {
        public static Division Of(RunConfig divided, Cluster cluster, HeldParameters held)
        {
            var division = new Division([], [], []);
            var most = divided.Parallel.Pipeline == 1 ? 1 : divided.Model.Layers / divided.Parallel.Pipeline;
            foreach (var chunks in Chunks.TakeWhile(chunks => chunks == 1 || chunks <= most))
            {
                var before = division.Fitting.Count;
                division.Look(divided with { Parallel = divided.Parallel with { VirtualStages = chunks } }, cluster, held);
                // Several chunks hold the activations of more passes.
                if (division.Fitting.Count == before)
                {
                    break;
                }
            }

            return division;
        }

        private void Look(RunConfig divided, Cluster cluster, HeldParameters held)
        {
            // What is shared and made again breaks no other rule than that of Variants.
            if (RunConfigRules.FaultsOf(divided, cluster.Ranks) is [var fault, ..])
            {
                Refused.Add((fault.Key, $"{fault.Value} {fault.Rule}"));
                return;
            }

            foreach (var layout in Variants(divided, cluster.Ranks))
            {
                var plan = new LayoutPlan(new RunPlan(layout, cluster.Ranks, held), held, cluster);
                if (plan.MemoryBytes <= cluster.Hardware.MemoryBytes)
                {
                    // Reckoned here, on this thread.
                    _ = plan.StepSeconds;
                    Fitting.Add(plan);
                    continue;
                }

                var largest = plan.Memory.MaxBy(term => term.Value)!;
                TooLarge.Add((largest.Name,
                    $"{plan.MemoryBytes / 1e9:0.#} GB with {largest.Value / 1e9:0.#} GB of it, of {cluster.Hardware.MemoryBytes / 1e9:0.#} GB"));
            }
        }

        // Canonical sums need whole gradients.
        private static IEnumerable<RunConfig> Variants(RunConfig config, int ranks)
            => from sharding in Enum.GetValues<OptimizerSharding>()
               where sharding != OptimizerSharding.Zero2 || !config.Run.Deterministic
               where sharding == OptimizerSharding.None || ranks > (long)config.Parallel.Pipeline * config.Parallel.Tensor
               from recompute in Enum.GetValues<Recompute>()
               select config with { Parallel = config.Parallel with { OptimizerSharding = sharding, Recompute = recompute } };
    }
}
