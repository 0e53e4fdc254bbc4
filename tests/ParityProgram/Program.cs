using System.Globalization;
using KvShiftScale.Parallel;
using KvShiftScale.Parallel.Native;
using KvShiftScale.ParityProgram;
using static TorchSharp.torch;

// kvshift-parity matrix: every layout of the launched ranks against one rank, in float64. 0: all within the bound; 1: not.
if (args is not ["matrix"])
{
    Console.Error.WriteLine("Pass: matrix");
    return 2;
}
// Rounding cannot hide an error in float64: ten steps of a model of this size stay below 1e-12.
const double Bound = 1e-10;
set_num_threads(1);
DenseKernels.SetThreads(1);
using var ranks = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true);
var folder = ranks.BroadcastText(ranks.World.Rank == 0 ? Directory.CreateTempSubdirectory("kvshift-parity-").FullName : "");
var shard = ranks.BroadcastText(ranks.World.Rank == 0 ? ParityCorpus.Write(folder, 37, 4000) : "");
var failures = 0;
var references = new Dictionary<string, ParityRun>();
try
{
    foreach (var test in ParityMatrix.Of(ranks.World.Size))
    {
        // Every rank computes what one rank computes.
        var key = $"{test.Model} {test.Context} {test.GlobalBatch}";
        if (!references.TryGetValue(key, out var reference))
        {
            using var alone = ParallelContext.Single();
            reference = ParityRun.Train(test with { Layout = new ParallelConfig() }, alone, shard, ScalarType.Float64);
            references.Add(key, reference);
        }
        using var divided = ranks.Divide(test.Layout);
        var run = ParityRun.Train(test, divided, shard, ScalarType.Float64);
        var comparison = ParityComparison.Of(run, reference, ranks.World);
        var holds = comparison.IsWithin(Bound);
        if (!holds) failures++;
        if (ranks.World.Rank == 0)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{(holds ? "ok  " : "FAIL")} {ranks.World.Size} ranks {test}: {comparison}"));
    }
}
finally
{
    ranks.World.Barrier();
    if (ranks.World.Rank == 0) Directory.Delete(folder, recursive: true);
}
return failures == 0 ? 0 : 1;
