using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.ParityProgram;

/// <summary>Runs cases on all ranks of a launch and compares each with the same training on one rank.</summary>
/// <param name="ranks">The launch.</param>
/// <param name="folder">Where corpora go.</param>
/// <param name="precision">Element type of parameters and activations.</param>
/// <param name="kernels">What the cases compute with; the one rank has the device's own.</param>
internal sealed class ParityCheck(ParallelContext ranks, string folder, Precision precision, KernelChoice kernels)
{
    // Composed operations take several times as long, and a wrong one shows in the first gradients.
    private const int ComposedSteps = 3;

    private readonly Dictionary<string, ParityRun> _references = [];
    private readonly Dictionary<int, string> _corpora = [];

    /// <summary>Prints a line for each case and returns the exit code.</summary>
    /// <param name="cases">What to train.</param>
    /// <param name="stopAtFirst">Leave out the cases after the first that fails.</param>
    public int Run(IEnumerable<ParityCase> cases, bool stopAtFirst = false)
    {
        var (checkedCases, failures) = (0, 0);
        foreach (var given in cases)
        {
            var test = kernels == KernelChoice.Composed ? given with { Steps = ComposedSteps } : given;
            var shard = Corpus(test.Model.VocabSize);
            using var divided = ranks.Divide(test.Layout);
            var comparison = ParityComparison.Of(ParityRun.Train(test, divided, shard, precision, kernels), Reference(test, shard), ranks.World);
            var holds = Holds(comparison);
            checkedCases++;
            if (!holds)
            {
                failures++;
            }

            if (ranks.World.Rank == 0)
            {
                Console.WriteLine($"{(holds ? "ok  " : "FAIL")} {ranks.World.Size} ranks {test}: {comparison}{(holds ? "" : $"; first {comparison.FirstBeyond(Bound)}")}");
            }

            if (!holds && stopAtFirst)
            {
                break;
            }
        }
        if (ranks.World.Rank == 0)
        {
            Console.WriteLine($"parity: {ranks.World.Size} ranks, {precision}{(kernels == KernelChoice.Composed ? " composed" : "")}, {checkedCases} cases, {failures} failed");
        }

        return failures == 0 && checkedCases > 0 ? 0 : 1;
    }

    // float64: rounding cannot hide an error; runs of this size differ by some 1e-15. float32: its unit is 6e-8, and sums of some hundred
    // terms in another order differ by up to a hundred of them, relative, in each loss. bfloat16: the difference of two runs' losses of a step
    // has a standard deviation of 2.6e-4, which docs/parallelism.md derives; the bound is seven and a half of them.
    private double Bound => precision switch
    {
        Precision.Fp64 => 1e-10,
        Precision.Fp32 => 2e-5,
        _ => 1.0 / 512,
    };

    private bool Holds(ParityComparison comparison) => precision == Precision.Fp64 ? comparison.IsWithin(Bound) : comparison.Loss <= Bound;

    // Every rank computes what one rank computes.
    private ParityRun Reference(ParityCase test, string shard)
    {
        var alone = test with { Layout = new ParallelConfig(), MicroBatch = test.GlobalBatch };
        if (_references.TryGetValue($"{alone}", out var known))
        {
            return known;
        }

        using var solo = ParallelContext.Single();
        return _references[$"{alone}"] = ParityRun.Train(alone, solo, shard, precision, KernelChoice.Auto);
    }

    private string Corpus(int vocabulary)
    {
        if (_corpora.TryGetValue(vocabulary, out var known))
        {
            return known;
        }

        return _corpora[vocabulary] = ranks.BroadcastText(ranks.World.Rank == 0 ? ParityCorpus.Write(folder, vocabulary, 4000) : "");
    }
}
