using System.Diagnostics;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Training;

/// <summary>
/// The best rate of floating-point operations that this rank has shown so far: in a large matrix product, measured at the start and again
/// now and then, while the other ranks measure theirs, or in training itself. A machine that is busy for a while makes a measurement worse
/// and never the best.
/// </summary>
/// <param name="measure">Measures the rate of a product, in operations a second.</param>
/// <param name="time">Clock of <see cref="MeasureIfDue"/>.</param>
internal sealed class BestRate(Func<double> measure, TimeProvider time)
{
    // A tenth of a second a minute; less often where a product takes longer than that.
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);
    private const int PausesPerCost = 600;

    private const int Size = 1024;

    // Long enough to find a moment without interruptions; slow cores, and ranks that share one, need not make every round.
    private const int MostRounds = 16;
    private const int LeastRounds = 2;
    private const double LongSeconds = 0.1;

    private long? _measuredAt;
    private TimeSpan _pause = Pause;

    /// <summary>The rate, in operations a second; 0 before there is one.</summary>
    public double FlopsPerSecond { get; private set; }

    /// <summary>The best rate of what computes with a model, to be measured where it is due.</summary>
    public static BestRate Of(ParameterBuckets parameters) => new(() => MeasureProduct(parameters.Kernels, parameters.Device), TimeProvider.System);

    /// <summary>Measures, unless that was done less than a minute ago. To be called between steps.</summary>
    public void MeasureIfDue()
    {
        if (_measuredAt is { } last && time.GetElapsedTime(last) < _pause)
        {
            return;
        }

        var began = time.GetTimestamp();
        FlopsPerSecond = Math.Max(FlopsPerSecond, measure());
        var cost = time.GetElapsedTime(began);
        _measuredAt = time.GetTimestamp();
        _pause = cost * PausesPerCost > Pause ? cost * PausesPerCost : Pause;
    }

    /// <summary>What a rate is of the best one, itself among them: 0 to 1.</summary>
    /// <param name="flopsPerSecond">Rate of this rank in training.</param>
    /// <returns>Null where it is no rate.</returns>
    public double? ShareOf(double flopsPerSecond)
    {
        if (!double.IsFinite(flopsPerSecond) || flopsPerSecond < 0)
        {
            return null;
        }

        FlopsPerSecond = Math.Max(FlopsPerSecond, flopsPerSecond);
        return FlopsPerSecond > 0 ? flopsPerSecond / FlopsPerSecond : null;
    }

    /// <summary>The rate of a product of two square matrices of 1,024 rows, in operations a second.</summary>
    internal static double MeasureProduct(IKernels kernels, Device device)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var left = ones([Size, Size], kernels.DataType, device);
        var right = ones([Size, Size], kernels.DataType, device);
        var best = double.MaxValue;
        var began = Stopwatch.GetTimestamp();
        // The first round also makes threads and room for the result.
        for (var round = 0; round <= LeastRounds || (round < MostRounds && Stopwatch.GetElapsedTime(began).TotalSeconds < LongSeconds); round++)
        {
            using var inner = NewDisposeScope();
            var start = Stopwatch.GetTimestamp();
            var product = kernels.Matmul(left, false, right, true);
            // Reading one element waits for a device that works on its own clock.
            product.narrow(0, 0, 1).narrow(1, 0, 1).to(ScalarType.Float64).item<double>();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return 2.0 * Size * Size * Size / best;
    }
}
