using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.RankProgram.Scenarios;

/// <summary>
/// Gradients of several buckets and odd sizes. Element i of slot s on rank r is (r + 1) (i + 10 s) in the first step, so that n ranks sum
/// to n (n + 1) / 2 times (i + 10 s); each step adds one to all. One slot has a gradient on rank 0 only, one on no rank.
/// </summary>
internal static class GradientScenario
{
    private static readonly long[][] Shapes = [[3, 5], [7], [1], [101], [2, 3], [33]];

    public static void Run()
    {
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true);
        foreach (var dtype in (ScalarType[])[ScalarType.Float32, ScalarType.Float64])
        {
            Check(context.Data, dtype);
        }
    }

    private static void Check(ProcessGroup group, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var parameters = new ParameterBuckets(ComputeDevice.Host(dtype), bucketBytes: 160);
        ParameterSlot[] slots = [.. Shapes.Select((shape, s) => parameters.Create($"slot {s}", weightDecay: s % 2 == 0, shape))];
        var onFirstRank = parameters.Create("on the first rank", weightDecay: true, 2);
        var nowhere = parameters.Create("nowhere", weightDecay: false, 5);
        Expect.Equal(true, parameters.Buckets.Count > 3, "more than three buckets");

        var reducer = new GradientReducer(parameters, group);
        for (var step = 0; step < 2; step++)
        {
            parameters.BeginStep();
            for (var s = 0; s < slots.Length; s++)
            {
                slots[s].Accumulate(Make(slots[s], dtype, i => (group.Rank + 1) * (i + 10 * s) + step));
            }

            if (group.Rank == 0)
            {
                onFirstRank.Accumulate(Make(onFirstRank, dtype, i => i + 4));
            }

            reducer.Reduce();

            var factor = group.Size * (group.Size + 1) / 2;
            for (var s = 0; s < slots.Length; s++)
            {
                Require(slots[s], step, i => factor * (i + 10 * s) + group.Size * step);
            }

            Require(onFirstRank, step, i => i + 4);
            Require(nowhere, step, _ => 0);
        }
    }

    private static Tensor Make(ParameterSlot slot, ScalarType dtype, Func<int, double> value)
        => tensor(Sequence(slot, value)).to(dtype).view([.. slot.Shape]);

    private static void Require(ParameterSlot slot, int step, Func<int, double> value)
        => Expect.Elements(Sequence(slot, value), slot.Gradient.to(ScalarType.Float64).contiguous().view(-1).data<double>().ToArray(), $"{slot.Name}, step {step}");

    private static double[] Sequence(ParameterSlot slot, Func<int, double> value)
        => [.. Enumerable.Range(0, (int)slot.Parameter.numel()).Select(value)];
}
