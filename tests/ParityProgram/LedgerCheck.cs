using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Simulation;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Planning;
using KvShiftScale.Trainer.Session;

namespace KvShiftScale.ParityProgram;

/// <summary>
/// What ranks call in training, as their ledgers have it, against what a simulation says that they call: operation, type, count and group, in the order of each of
/// a rank's threads.
/// </summary>
/// <param name="ranks">The ranks of the launch.</param>
/// <param name="folder">For the corpora.</param>
internal sealed class LedgerCheck(ParallelContext ranks, string folder)
{
    private const int Steps = 2;

    /// <summary>Trains in every layout that fits. Prints the first difference of each; 0: there is none.</summary>
    public int Run()
    {
        var (cases, different) = (0, 0);
        foreach (var (model, precision, layout) in Cases(ranks.World.Size))
        {
            cases++;
            var difference = Difference(model, precision, layout);
            var told = ranks.World.AllGatherTexts(difference ?? "");
            if (told.All(text => text.Length == 0))
            {
                continue;
            }

            different++;
            if (ranks.World.Rank == 0)
            {
                var rank = Array.FindIndex(told, text => text.Length > 0);
                Console.WriteLine($"rank {rank} {told[rank]}: {layout}, {model}");
            }
        }

        if (ranks.World.Rank == 0)
        {
            Console.WriteLine(FormattableString.Invariant($"{cases} layouts, {different} differ"));
        }

        return different == 0 ? 0 : 1;
    }

    private string? Difference(ModelConfig model, Precision precision, ParallelConfig layout)
    {
        var data = new DataConfig { Context = 64, GlobalBatch = 16 * (ranks.World.Size / (int)layout.RanksPerSample), MicroBatch = 4 };
        using var divided = ranks.Divide(layout);
        var config = new RunConfig
        {
            Run = new RunSection { Name = "ledger", Steps = Steps },
            Model = model,
            Data = data,
            Parallel = layout with { Overlap = layout.Overlap && divided.AllowsOverlap },
            Optimizer = new OptimizerConfig { Lr = 1e-3, WarmupSteps = 1 },
            Precision = precision,
        };
        var shard = ranks.BroadcastText(ranks.World.Rank == 0 ? ParityCorpus.Write(folder, model.VocabSize, 20_000) : "");
        var found = Trained(config, divided, shard);
        var launch = new SimulatedLaunch(config, KnownHardware.All["h200"], ranks.World.Size, ranks.World.Size);
        var wanted = Simulated(launch, ranks.World.Rank).ToList();
        if (found.Count == 0 || wanted.Count == 0)
        {
            return FormattableString.Invariant($"calls {found.Count} times, simulated {wanted.Count} times");
        }

        // Of the two threads each has an order.
        foreach (var isBeside in (bool[])[false, true])
        {
            string[] called = [.. found.Where(call => IsBeside(call) == isBeside)], simulated = [.. wanted.Where(call => IsBeside(call) == isBeside)];
            var same = called.Zip(simulated).TakeWhile(pair => pair.First == pair.Second).Count();
            if (same < Math.Max(called.Length, simulated.Length))
            {
                return $"{(isBeside ? "beside its computation" : "")} calls {At(called, same)} as number {same + 1} of {called.Length}; simulated: {At(simulated, same)} of {simulated.Length}";
            }
        }

        return null;

        static bool IsBeside(string call) => call.Contains(" beside [", StringComparison.Ordinal);

        static string At(string[] calls, int number) => number < calls.Length ? calls[number] : "nothing";
    }

    private static List<string> Trained(RunConfig config, ParallelContext ranks, string shard)
    {
        var ledger = ranks.Ledger!;
        using var session = TrainingSession.Create(config, ranks);
        session.Initialize(seed: 1);
        using var batches = new TrainingBatches(ShardCatalog.Open([new DataSource(shard)]), config.Data, 1, config.Model.VocabSize, new DataShare(ranks.Data.Rank, ranks.Data.Size));
        ranks.World.Barrier();
        var before = ledger.Recent()[^1].Number;
        var entries = new SortedDictionary<long, string>();
        ledger.Entering = _ => Keep();
        for (var step = 1; step <= Steps; step++)
        {
            session.Step(step, batches);
        }

        foreach (var bucket in session.Model.Parameters.Buckets)
        {
            // Waits for what is still gathered.
            bucket.FlatParameters().Dispose();
        }

        ledger.Entering = null;
        Keep();
        return [.. entries.Values];

        // The ledger forgets; both threads come here.
        void Keep()
        {
            lock (entries)
            {
                foreach (var entry in ledger.Recent().Where(entry => entry.Number > before))
                {
                    entries.TryAdd(entry.Number, $"{entry.Call} in {entry.Group}");
                }
            }
        }
    }

    private static IEnumerable<string> Simulated(SimulatedLaunch launch, int rank)
    {
        var program = launch.Programs[rank];
        return Enumerable.Repeat(program.Computing, Steps).SelectMany(step => step)
            .SelectMany(operation => operation.Kind == OperationKind.Start ? program.Tasks[operation.Task] : [operation])
            .Where(operation => operation.Kind is OperationKind.Collective or OperationKind.Send or OperationKind.Receive)
            .Select(operation => $"{operation.Call} in {launch.Groups.CalledIn(operation, rank)}");
    }

    private static IEnumerable<(ModelConfig, Precision, ParallelConfig)> Cases(int ranks)
    {
        var model = new ModelConfig { VocabSize = 3000, HiddenSize = 128, Layers = 5, Heads = 4, KvHeads = 2, FfnSize = 384 };
        return ranks < 4 ? OfTwo(model) : OfFour(model);
    }

    private static IEnumerable<(ModelConfig, Precision, ParallelConfig)> OfTwo(ModelConfig model)
    {
        foreach (var overlap in (bool[])[true, false])
        {
            foreach (var sharding in Enum.GetValues<OptimizerSharding>())
            {
                yield return (model, Precision.Fp32, new ParallelConfig { OptimizerSharding = sharding, Overlap = overlap, BucketMebibytes = 1 });
                yield return (model with { TieEmbeddings = true }, Precision.Bf16, new ParallelConfig { OptimizerSharding = sharding, Overlap = overlap, Context = 2, BucketMebibytes = 2 });
                yield return (model with { KvShift = KvShiftVariant.Qkv }, Precision.Fp32,
                    new ParallelConfig { OptimizerSharding = sharding, Overlap = overlap, Tensor = 2, Recompute = Recompute.Selective, BucketMebibytes = 1 });
                yield return (model with { TieEmbeddings = true }, Precision.Fp32,
                    new ParallelConfig { OptimizerSharding = sharding, Overlap = overlap, Pipeline = 2, Recompute = Recompute.Full, BucketMebibytes = 1 });
                yield return (model with { TieEmbeddings = true }, Precision.Fp32,
                    new ParallelConfig { OptimizerSharding = sharding, Overlap = overlap, Pipeline = 2, VirtualStages = 2, BucketMebibytes = 1 });
            }
        }

        foreach (var recompute in Enum.GetValues<Recompute>())
        {
            yield return (model, Precision.Bf16, new ParallelConfig { Tensor = 2, Sequence = false, Recompute = recompute });
            yield return (model with { KvHeads = 1, SlidingWindow = 16, SlidingKvHeads = 4 }, Precision.Fp32, new ParallelConfig { Tensor = 2, Recompute = recompute });
            yield return (model with { KvShift = KvShiftVariant.Qkv }, Precision.Fp32, new ParallelConfig { Context = 2, Recompute = recompute });
            yield return (model with { KvShift = KvShiftVariant.None }, Precision.Fp32, new ParallelConfig { Pipeline = 2, Recompute = recompute });
        }

        // Parts of the vocabulary of which the last is padded, so that by its own rows a rank would take 105 at a time where the other takes 104.
        yield return (model with { VocabSize = 39_945, HiddenSize = 32 }, Precision.Fp32, new ParallelConfig { Tensor = 2 });
    }

    private static IEnumerable<(ModelConfig, Precision, ParallelConfig)> OfFour(ModelConfig model)
    {
        foreach (var sharding in Enum.GetValues<OptimizerSharding>())
        {
            yield return (model, Precision.Fp32, new ParallelConfig { Tensor = 2, OptimizerSharding = sharding, Recompute = Recompute.Selective, BucketMebibytes = 1 });
            yield return (model with { TieEmbeddings = true }, Precision.Fp32, new ParallelConfig { Pipeline = 2, OptimizerSharding = sharding, BucketMebibytes = 1 });
            yield return (model with { TieEmbeddings = true }, Precision.Fp32, new ParallelConfig { Pipeline = 2, VirtualStages = 2, OptimizerSharding = sharding, BucketMebibytes = 1 });
            yield return (model with { TieEmbeddings = true, KvHeads = 1 }, Precision.Fp32, new ParallelConfig { Tensor = 2, Pipeline = 2, OptimizerSharding = sharding, BucketMebibytes = 1 });
            yield return (model with { KvHeads = 1 }, Precision.Fp32, new ParallelConfig { Tensor = 4, OptimizerSharding = sharding, BucketMebibytes = 1 });
            yield return (model, Precision.Fp32, new ParallelConfig { Tensor = 2, Context = 2, OptimizerSharding = sharding, Recompute = Recompute.Selective });
            yield return (model, Precision.Fp32, new ParallelConfig { Pipeline = 4, OptimizerSharding = sharding });
            yield return (model, Precision.Fp32, new ParallelConfig { Pipeline = 2, Context = 2, OptimizerSharding = sharding, BucketMebibytes = 1 });
        }
    }
}
