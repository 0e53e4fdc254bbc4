using System.Globalization;
using KvShiftScale.Models.Operations;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Parameters;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Tests;

/// <summary>Resident memory of the output head and its loss, forward and backward, at the sizes of a real vocabulary.</summary>
public sealed class LossMemoryTests(ITestOutputHelper output)
{
    private const int Tokens = 4096;
    private const int Vocabulary = 48_000;
    private const int HiddenSize = 128;

    [Fact]
    public void PeakIsUnderTwoFifthsOfLogitsOfAllTokens()
    {
        // Ours first: what it leaves to the allocator can only help the other.
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), 1 << 20);
        var (chunkedLoss, chunked) = Measure(() => Chunked(parameters));
        var (wholeLoss, whole) = Measure(Whole);

        output.WriteLine($"peak: {chunked} MiB in chunks, {whole} MiB with all logits, {(double)chunked / whole:P1}");
        // Sums of 4,096 losses in float32.
        Assert.Equal(wholeLoss, chunkedLoss, 1e-4 * wholeLoss);
        Assert.True(chunked < 0.4 * whole, $"{chunked} MiB in chunks, {whole} MiB with all logits");
    }

    private static Tensor Hidden() => randn([Tokens, HiddenSize], generator: new Generator(3)).requires_grad_();

    private static Tensor Weight() => randn([Vocabulary, HiddenSize], generator: new Generator(5)) * 0.05f;

    private static int[] Targets() => [.. Enumerable.Range(0, Tokens).Select(token => token * 11 % Vocabulary)];

    private static Func<Tensor> Chunked(ParameterBuckets parameters)
    {
        var head = parameters.Create("lm_head.weight", weightDecay: true, ParameterShard.Whole(Vocabulary, HiddenSize));
        using (no_grad())
        {
            head.Parameter.copy_(Weight());
        }

        parameters.BeginStep();
        var (hidden, targets) = (Hidden(), tensor(Targets()));
        return () => LinearCrossEntropyOperation.Apply(hidden, head, targets, ProcessGroup.Solo("tensor"));
    }

    // libtorch's own operations; logits, their log-softmax and its gradient are [tokens, vocabulary] in float32.
    private static Func<Tensor> Whole()
    {
        var (hidden, weight, targets) = (Hidden(), Weight().requires_grad_(), tensor(Targets()).to(int64));
        return () => nn.functional.cross_entropy(nn.functional.linear(hidden, weight), targets, reduction: nn.Reduction.Sum);
    }

    // Peak of resident memory above what stood before forward, in MiB.
    private static (double Loss, long Peak) Measure(Func<Func<Tensor>> prepare)
    {
        using var scope = NewDisposeScope();
        var forward = prepare();
        GC.Collect();
        // Writing 5 resets the process's peak of resident memory (proc(5)).
        File.WriteAllText("/proc/self/clear_refs", "5");
        var before = ResidentMebibytes("VmHWM");
        Tensor loss;
        using (NewDisposeScope())
        {
            loss = forward().MoveToOuterDisposeScope();
        }

        BackwardPass.Run(loss);
        return (loss.item<float>(), ResidentMebibytes("VmHWM") - before);
    }

    private static long ResidentMebibytes(string key)
    {
        var line = File.ReadLines("/proc/self/status").Single(line => line.StartsWith(key, StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
    }
}
