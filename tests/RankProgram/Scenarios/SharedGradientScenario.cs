using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.RankProgram.Scenarios;

/// <summary>
/// Where gradients lie while ranks share memory: moved there by a reducer with what they are, usable after it, and unmapped with the last of
/// their holders. Rank r adds (r + 1) x, so that n ranks sum to n (n + 1) / 2 times x.
/// </summary>
internal static class SharedGradientScenario
{
    // What the kernel calls memory of libkvshift that is shared by descriptor.
    private const string Memory = "memfd:kvshift";

    public static void Run()
    {
        using var context = ParallelContext.Create(new ParallelConfig(), launchedByMpi: true);
        foreach (var isShared in (bool[])[false, true])
        {
            foreach (var dtype in (ScalarType[])[ScalarType.Float32, ScalarType.Float64, ScalarType.BFloat16])
            {
                Check(context.Replicas, dtype, isShared);
            }
        }
    }

    private static void Check(ProcessGroup group, ScalarType dtype, bool isShared)
    {
        using var scope = NewDisposeScope();
        var parameters = new ParameterBuckets(ComputeDevice.Host(dtype), bucketBytes: 256, isShared ? new OptimizerShare(group.Rank, group.Size) : null);
        ParameterSlot[] slots = [parameters.Create("first", weightDecay: true, 7, 11), parameters.Create("second", weightDecay: false, 5), parameters.Create("third", weightDecay: true, 3)];
        Expect.Equal(0, Mappings(), "nothing is mapped before there is a reducer");
        Accumulate(slots, group, 1);
        var before = Values(slots);

        var first = new GradientReducer(parameters, group, overlap: true);
        Expect.Equal(group.Size, Mappings(), "everybody's gradients are mapped, once");
        Expect.Equal(0, Directory.EnumerateFiles("/proc/self/fd").Count(IsShared), "descriptors of them are closed");
        RequireSame(before, Values(slots), "gradients that were there are still there");
        Expect.Throws<InvalidOperationException>(() => parameters.Create("late", weightDecay: true, 1), "a parameter after the reducer");
        Reduce(first, parameters, slots, group, 2);

        // While one communicates over the buckets another leaves their gradients where they are.
        var second = new GradientReducer(parameters, group, overlap: true);
        Expect.Equal(group.Size, Mappings(), "gradients that are in use are not moved");
        second.Dispose();
        first.Dispose();
        Expect.Equal(1, Mappings(), "the other ranks' gradients are gone with the reducer");
        var sums = Values(slots);
        using (var third = new GradientReducer(parameters, group, overlap: true))
        {
            Expect.Equal(group.Size, Mappings(), "gradients are moved again, and what they were is gone");
            RequireSame(sums, Values(slots), "gradients of the reducer before");
            Reduce(third, parameters, slots, group, 3);
        }
        Accumulate(slots, group, 5);
        using (var none = new GradientReducer(parameters, group, overlap: true, shareMemory: false))
        {
            Reduce(none, parameters, slots, group, 4);
        }

        parameters.Dispose();
        Expect.Equal(0, Mappings(), "nothing is mapped after the parameters");
    }

    private static void Accumulate(ParameterSlot[] slots, ProcessGroup group, double factor)
    {
        using var scope = NewDisposeScope();
        foreach (var slot in slots)
        {
            slot.Accumulate((arange(0, slot.Parameter.numel(), slot.Gradient.dtype) * (factor * (group.Rank + 1))).view([.. slot.Shape]));
        }
    }

    private static void Reduce(GradientReducer reducer, ParameterBuckets parameters, ParameterSlot[] slots, ProcessGroup group, double factor)
    {
        for (var step = 0; step < 2; step++)
        {
            using var scope = NewDisposeScope();
            parameters.BeginStep();
            reducer.BeginMicroBatch(isLast: true);
            Accumulate(slots, group, factor);
            reducer.Reduce();
            foreach (var bucket in parameters.Buckets)
            {
                // Of a part that another rank updates nothing is promised.
                List<double> wanted = [.. bucket.Slots.SelectMany(slot => Enumerable.Range(0, (int)slot.Parameter.numel()))
                    .Select(i => i * factor * group.Size * (group.Size + 1) / 2)];
                wanted.AddRange(new double[bucket.PaddedLength - wanted.Count]);
                double[] owned = [.. wanted.Skip((int)bucket.OwnedStart).Take((int)bucket.OwnedLength)];
                Expect.Elements(owned, bucket.OwnedGradients().to(ScalarType.Float64).data<double>().ToArray(), $"sums of step {step}");
            }
        }
    }

    private static List<double[]> Values(ParameterSlot[] slots)
    {
        using var scope = NewDisposeScope();
        return [.. slots.Select(slot => slot.Gradient.to(ScalarType.Float64).contiguous().view(-1).data<double>().ToArray())];
    }

    private static void RequireSame(List<double[]> wanted, List<double[]> found, string what)
    {
        for (var i = 0; i < wanted.Count; i++)
        {
            Expect.Elements(wanted[i], found[i], what);
        }
    }

    private static int Mappings() => File.ReadLines("/proc/self/maps").Count(line => line.Contains(Memory, StringComparison.Ordinal));

    private static bool IsShared(string descriptor) => new FileInfo(descriptor).LinkTarget?.Contains(Memory, StringComparison.Ordinal) ?? false;
}
