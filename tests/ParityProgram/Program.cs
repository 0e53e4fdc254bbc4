using System.Globalization;
using KvShiftScale.Parallel;
using KvShiftScale.Parallel.Native;
using KvShiftScale.ParityProgram;
using static TorchSharp.torch;

// matrix: every layout of the launched ranks against one rank, in float64. deterministic THREADS: prints the SHA-256 of all parameters
// after 20 steps in float32. 0: done, all within the bound; 1: not.
if (args is not (["matrix"] or ["deterministic", _]))
{
    Console.Error.WriteLine("Pass: matrix, or deterministic THREADS");
    return 2;
}
var threads = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 1;
set_num_threads(threads);
DenseKernels.SetThreads(threads);
using var ranks = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true);
var folder = ranks.BroadcastText(ranks.World.Rank == 0 ? Directory.CreateTempSubdirectory("kvshift-parity-").FullName : "");
try
{
    return args[0] == "matrix" ? ParityMatrix.Run(ranks, folder) : Determinism.Run(ranks, folder);
}
finally
{
    ranks.World.Barrier();
    if (ranks.World.Rank == 0) Directory.Delete(folder, recursive: true);
}
