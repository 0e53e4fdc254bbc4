// Times training steps of the model of bench/StepBenchmark, written with TorchSharp's own operations, its AdamW and its clipping.
// Prints one JSON line: tokens_per_second (median over steps), loss of the first and the last step.
// Usage: EagerBenchmark [--threads N] [--steps N] [--warmup N] [--dtype fp32|bf16]
using System.Diagnostics;
using System.Globalization;
using EagerBenchmark;
using KvShiftScale.Parallel.Kernels;
using static TorchSharp.torch;

const int Context = 512;
const int Vocabulary = 8192;
const int Rows = 4;

var options = new Dictionary<string, string> { ["--threads"] = "1", ["--steps"] = "10", ["--warmup"] = "2", ["--dtype"] = "fp32" };
for (var i = 0; i + 1 < args.Length; i += 2)
{
    if (!options.ContainsKey(args[i]))
    {
        Console.Error.WriteLine($"found option {args[i]}; known are {string.Join(", ", options.Keys)}");
        return 2;
    }
    options[args[i]] = args[i + 1];
}

int Number(string option) => int.Parse(options[option], CultureInfo.InvariantCulture);
ScalarType? known = options["--dtype"] switch { "fp32" => ScalarType.Float32, "bf16" => ScalarType.BFloat16, _ => null };
if (known is not { } dtype)
{
    Console.Error.WriteLine($"found --dtype {options["--dtype"]}; wanted fp32 or bf16");
    return 2;
}
set_num_threads(Number("--threads"));
// The allocator keeps freed memory, as ours does.
HostKernels.RetainMemory();
manual_seed(1);

var model = new EagerTransformer(Vocabulary, Context, dtype);
var optimizer = optim.AdamW(model.Parameters, lr: 1e-4, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1);
var ids = new long[Rows * Context + 1];
for (var i = 0; i < ids.Length; i++)
{
    ids[i] = ((long)i * 7919 + 13 * (i / 97)) % Vocabulary;
}

using var inputs = tensor(ids[..^1], [Rows, Context]);
using var targets = tensor(ids[1..], [Rows, Context]);
var seconds = new List<double>();
var (first, last) = (0.0, 0.0);
for (var step = 1; step <= Number("--warmup") + Number("--steps"); step++)
{
    var start = Stopwatch.GetTimestamp();
    last = Step();
    first = step == 1 ? last : first;
    if (step > Number("--warmup"))
    {
        seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
    }
}

seconds.Sort();
Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
    $"{{\"tokens_per_second\": {Rows * Context / seconds[seconds.Count / 2]:F1}, \"first_loss\": {first:F4}, \"last_loss\": {last:F4}, \"threads\": {Number("--threads")}, "
    + $"\"dtype\": \"{options["--dtype"]}\", \"parameters\": {model.Parameters.Sum(parameter => parameter.numel())}}}"));
return 0;

double Step()
{
    using var scope = NewDisposeScope();
    optimizer.zero_grad();
    var loss = model.Loss(inputs, targets);
    loss.backward();
    using (no_grad())
    {
        nn.utils.clip_grad_norm_(model.Parameters, 1.0);
    }
    optimizer.step();
    return loss.item<float>();
}
