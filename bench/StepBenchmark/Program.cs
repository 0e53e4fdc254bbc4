// Times training steps of the model that bench/EagerBenchmark writes in TorchSharp's own operations: same shape, same token ids, same optimizer.
// Prints one JSON line: tokens_per_second (median over steps, all ranks together), loss of the first and the last step, and of rank 0
// activation_mebibytes (malloc's memory that forward leaves for backward, last step), peak_mebibytes (resident, whole process), and what
// reducing gradients took: milliseconds a step, and the fraction that it did not wait for.
// --dtype fp32 or bf16; --recompute 0 keeps every activation, 1 makes again what costs little, 2 all but the inputs of blocks.
using System.Diagnostics;
using System.Globalization;
using KvShiftScale.Models.Initialization;
using KvShiftScale.Models;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Layout;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Native;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Testing;
using static TorchSharp.torch;

const int Context = 512;
const int Vocabulary = 8192;

var options = new Dictionary<string, int>
{
    ["--threads"] = 1,
    ["--steps"] = 10,
    ["--warmup"] = 2,
    // Rows of one rank; 0: four, divided among the ranks.
    ["--rows"] = 0,
    ["--overlap"] = 1,
    ["--zero1"] = 1,
    ["--recompute"] = 0,
};
var dtype = ScalarType.Float32;
for (var i = 0; i + 1 < args.Length; i += 2)
{
    if (args[i] == "--dtype" && args[i + 1] is "fp32" or "bf16")
    {
        dtype = args[i + 1] == "bf16" ? ScalarType.BFloat16 : ScalarType.Float32;
        continue;
    }
    if (!options.ContainsKey(args[i]))
    {
        Console.Error.WriteLine($"found option {args[i]}; known are {string.Join(", ", options.Keys)}, each with a whole number, and --dtype fp32 or bf16");
        return 2;
    }
    options[args[i]] = int.Parse(args[i + 1], CultureInfo.InvariantCulture);
}

var launched = MpiLaunch.Of(Environment.GetEnvironmentVariable) is not null;
if (launched)
{
    MpiLibrary.Load(Environment.GetEnvironmentVariable);
}

using var context = ParallelContext.Create(new ParallelConfig(), launched);
set_num_threads(options["--threads"]);
HostKernels.SetThreads(options["--threads"]);
HostKernels.RetainMemory();

var config = new ModelConfig { VocabSize = Vocabulary, HiddenSize = 512, Layers = 8, Heads = 8, FfnSize = 1408 };
var optimizerConfig = new OptimizerConfig { Lr = 1e-4, WarmupSteps = 1 };
var share = options["--zero1"] != 0 ? new OptimizerShare(context.Replicas.Rank, context.Replicas.Size) : OptimizerShare.Whole;
using var model = new KvShiftTransformer(config, new ParameterBuckets(ComputeDevice.Host(dtype), 32L << 20, share), Context)
{
    Recompute = (Recompute)options["--recompute"],
};
model.Initialize(seed: 1);
using var reducer = new GradientReducer(model.Parameters, context.Replicas, overlap: options["--overlap"] != 0 && context.AllowsOverlap);
using var optimizer = new AdamW(model.Parameters, optimizerConfig);

var rows = options["--rows"] > 0 ? options["--rows"] : 4 / context.Data.Size;
var globalTokens = (double)rows * context.Data.Size * Context;
var (inputs, targets, positions) = (new int[rows * Context], new int[rows * Context], new int[rows * Context]);
for (var i = 0; i < inputs.Length; i++)
{
    var global = (long)context.Data.Rank * inputs.Length + i;
    inputs[i] = Id(global);
    targets[i] = Id(global + 1);
    positions[i] = i % Context;
}

using var layout = new TokenLayout(rows, Context, frombuffer(positions, ScalarType.Int32));

var seconds = new List<double>();
var (first, last) = (0.0, 0.0);
var activationBytes = 0L;
OverlapTotals warm = default;
for (var step = 1; step <= options["--warmup"] + options["--steps"]; step++)
{
    if (step == options["--warmup"] + 1)
    {
        warm = reducer.Reduction.Snapshot();
    }

    context.World.Barrier();
    var start = Stopwatch.GetTimestamp();
    last = Step(step);
    context.World.Barrier();
    if (step == 1)
    {
        first = last;
    }

    if (step > options["--warmup"])
    {
        seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
    }
}

seconds.Sort();
if (context.World.Rank == 0)
{
    var rate = globalTokens / seconds[seconds.Count / 2];
    var reduction = reducer.Reduction.Snapshot() - warm;
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"{{\"tokens_per_second\": {rate:F1}, \"first_loss\": {first:F4}, \"last_loss\": {last:F4}, \"ranks\": {context.World.Size}, \"threads\": {options["--threads"]}, "
        + $"\"recompute\": \"{model.Recompute}\", \"activation_mebibytes\": {activationBytes / 1048576.0:F1}, \"peak_mebibytes\": {Process.GetCurrentProcess().PeakWorkingSet64 / 1048576.0:F1}, "
        + $"\"reduction_ms\": {reduction.Transfer / seconds.Count * 1e3:F1}, \"exposed_ms\": {reduction.Exposed / seconds.Count * 1e3:F1}, \"late_ms\": {reduction.Late / seconds.Count * 1e3:F1}, \"hidden\": {reduction.HiddenFraction ?? 0:F3}}}"));
}
return 0;

double Step(long step)
{
    using var scope = NewDisposeScope();
    model.Parameters.BeginStep();
    reducer.BeginMicroBatch(isLast: true);
    Tensor loss;
    var before = NativeHeap.Bytes;
    using (var forward = NewDisposeScope())
    {
        loss = model.LossSum(frombuffer(inputs, ScalarType.Int32), frombuffer(targets, ScalarType.Int32), layout).MoveToOuterDisposeScope();
    }
    activationBytes = NativeHeap.Bytes - before;
    BackwardPass.Run(loss);
    reducer.Reduce();
    using var squares = GradientNorm.Squares(model.Parameters);
    (model.Parameters.IsShared ? context.World : context.Tensor).AllReduce(squares);
    var norm = Math.Sqrt(squares.item<double>()) / globalTokens;
    optimizer.Step(optimizerConfig.Lr, GradientNorm.ClipFactor(norm, 1) / globalTokens, step);
    reducer.GatherParameters();
    return loss.to(ScalarType.Float64).item<double>() / (rows * Context);
}

static int Id(long index) => (int)((index * 7919 + 13 * (index / 97)) % Vocabulary);
