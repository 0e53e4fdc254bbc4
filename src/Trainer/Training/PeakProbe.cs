using System.Diagnostics;
using KvShiftScale.Parallel.Native;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Training;

/// <summary>
/// What this rank's share of the machine can do at most: the rate of a large matrix product, measured while the other ranks
/// measure theirs. MFU is given against it, not against a table of data sheets.
/// </summary>
internal static class PeakProbe
{
    private const int Size = 1024;

    // Long enough to find a moment without interruptions; slow cores, and ranks that share one, need not make every round.
    private const int MostRounds = 16;
    private const int LeastRounds = 4;
    private const double LongSeconds = 0.2;

    /// <summary>Floating-point operations per second.</summary>
    public static double MeasureFlopsPerSecond(ScalarType dtype, Device device)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var left = randn([Size, Size], dtype, device);
        var right = randn([Size, Size], dtype, device);
        var best = double.MaxValue;
        var began = Stopwatch.GetTimestamp();
        for (var round = 0; round < LeastRounds || (round < MostRounds && Stopwatch.GetElapsedTime(began).TotalSeconds < LongSeconds); round++)
        {
            using var inner = NewDisposeScope();
            var start = Stopwatch.GetTimestamp();
            var product = DenseKernels.Matmul(left, false, right, true);
            // Reading one element waits for a device that works on its own clock.
            product.narrow(0, 0, 1).narrow(1, 0, 1).to(ScalarType.Float64).item<double>();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return 2.0 * Size * Size * Size / best;
    }
}
