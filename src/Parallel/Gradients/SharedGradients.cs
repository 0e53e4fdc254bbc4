using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Gradients;

/// <summary>Gradients in memory that all ranks of one machine have mapped, so that their sums are taken where they lie.</summary>
internal static class SharedGradients
{
    // Buckets begin at pages.
    private const long Alignment = 4096;

    /// <summary>
    /// Moves the gradients of all buckets that have whole ones throughout into memory that the ranks of <paramref name="group"/> share, with what they are. They stay where they
    /// were on every rank where there is no room on one, or something on one still communicates over them. Collective.
    /// </summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public static void Place(ParameterBuckets parameters, ProcessGroup group)
    {
        using var scope = NewDisposeScope();
        var unit = Alignment / (parameters.GradientType == ScalarType.Float64 ? sizeof(double) : sizeof(float));
        ParameterBucket[] buckets = [.. parameters.Buckets.Where(bucket => !bucket.KeepsOwnedGradientsOnly)];
        var lengths = buckets.Select(bucket => (bucket.PaddedLength + unit - 1) / unit * unit).ToArray();
        var isFree = parameters.Device.type == TorchSharp.DeviceType.CPU && parameters.Slots.All(slot => slot.Listener is null);
        if (group.Collectives.Allocate(isFree ? lengths.Sum() : 0, parameters.GradientType) is not { } area)
        {
            return;
        }

        var start = 0L;
        for (var i = 0; i < lengths.Length; start += lengths[i], i++)
        {
            buckets[i].MoveGradients(area.narrow(0, start, buckets[i].PaddedLength));
        }
    }
}
