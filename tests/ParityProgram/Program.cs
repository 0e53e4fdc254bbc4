using System.Globalization;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Native;
using KvShiftScale.ParityProgram;
using static TorchSharp.torch;

// Compares training on the launched ranks, in every layout, with one rank. 0: all within their bounds; 1: not; 2: bad arguments.
const string Usage = "Pass: matrix fp64|fp32|bf16 [--stop-at-first] [--composed], sweep COUNT SEED [--composed], deterministic THREADS TENSOR CONTEXT PIPELINE, deterministic-cost STEPS, pipeline-cost STEPS, pipeline-tensors, sharding-cost STEPS, optimizer-memory, ledger, or gradient-memory zero1|zero2";
var kernels = KernelChoice.Auto;
if (args is ["matrix" or "sweep", .. var others, "--composed"])
{
    kernels = KernelChoice.Composed;
    args = [args[0], .. others];
}
if (args is not (["matrix", "fp64" or "fp32" or "bf16"] or ["matrix", "fp64" or "fp32" or "bf16", "--stop-at-first"] or ["sweep", _, _]
    or ["deterministic", _, _, _, _] or ["deterministic-cost" or "pipeline-cost" or "sharding-cost", _] or ["optimizer-memory"] or ["ledger"] or ["pipeline-tensors"] or ["gradient-memory", "zero1" or "zero2"]))
{
    Console.Error.WriteLine(Usage);
    return 2;
}
var threads = args[0] == "deterministic" ? Number(1) : 1;
set_num_threads(threads);
HostKernels.SetThreads(threads);
if (args[0] is "deterministic-cost" or "pipeline-cost" or "sharding-cost")
{
    HostKernels.RetainMemory();
}

MpiLibrary.Load(Environment.GetEnvironmentVariable);
using var ranks = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true, checkCollectives: args[0] == "ledger");
var folder = ranks.BroadcastText(ranks.World.Rank == 0 ? Directory.CreateTempSubdirectory("kvshift-parity-").FullName : "");
try
{
    return args[0] switch
    {
        "matrix" => new ParityCheck(ranks, folder, Enum.Parse<Precision>(args[1], ignoreCase: true), kernels).Run([.. ParityMatrix.Of(ranks.World.Size), .. ParityMatrix.TiedOf(ranks.World.Size), .. ParityMatrix.PipelinesOf(ranks.World.Size)], stopAtFirst: args.Length > 2),
        "sweep" => new ParityCheck(ranks, folder, Precision.Fp64, kernels).Run(ParitySweep.Of(ranks.World.Size, Number(1), Number(2))),
        "deterministic" => Determinism.Run(ranks, folder, Number(2), Number(3), Number(4)),
        "deterministic-cost" => DeterministicCost.Run(ranks, folder, Number(1)),
        "pipeline-cost" => PipelineCost.Run(ranks, folder, Number(1)),
        "pipeline-tensors" => PipelineTensors.Run(ranks, folder),
        "sharding-cost" => GradientSharding.RunCost(ranks, folder, Number(1)),
        "ledger" => new LedgerCheck(ranks, folder).Run(),
        "gradient-memory" => GradientSharding.RunMemory(ranks, folder, Enum.Parse<OptimizerSharding>(args[1], ignoreCase: true)),
        _ => OptimizerMemory.Run(ranks),
    };
}
finally
{
    ranks.World.Barrier();
    if (ranks.World.Rank == 0)
    {
        Directory.Delete(folder, recursive: true);
    }
}

int Number(int index) => int.Parse(args[index], CultureInfo.InvariantCulture);
