using System.Globalization;
using KvShiftScale.Parallel;

namespace KvShiftScale.ParityProgram;

/// <summary>How far a run is from the same run on one rank, relative, the worst over all ranks.</summary>
/// <param name="Loss">Largest relative difference of a step's loss.</param>
/// <param name="GradientNorm">Largest relative difference of a step's gradient norm.</param>
/// <param name="Parameters">Largest over parameters of |difference| / |parameter|, L2 norms over this rank's part.</param>
/// <param name="WorstParameter">Its name on this rank.</param>
/// <param name="Probe">Largest difference of a number of the probe; the heads' are rounded to float32.</param>
internal readonly record struct ParityComparison(double Loss, double GradientNorm, double Parameters, string WorstParameter, double Probe)
{
    /// <summary>Compares and takes the worst over the ranks. Collective.</summary>
    public static unsafe ParityComparison Of(ParityRun run, ParityRun reference, ProcessGroup world)
    {
        var whole = reference.Parameters.ToDictionary(parameter => parameter.Name, parameter => parameter.Values);
        var (worst, worstName) = (0.0, "");
        foreach (var (name, shard, values) in run.Parameters)
        {
            var (difference, size) = (0.0, 0.0);
            foreach (var (local, global, length) in shard.Runs())
            {
                for (var i = 0L; i < length; i++)
                {
                    var expected = whole[name][global + i];
                    difference += Square(values[local + i] - expected);
                    size += Square(expected);
                }
            }
            var relative = size == 0 ? Math.Sqrt(difference) : Math.Sqrt(difference / size);
            if (!(relative <= worst)) (worst, worstName) = (relative, name);
        }
        var worsts = stackalloc double[]
        {
            Worst(run.Losses, reference.Losses), Worst(run.GradientNorms, reference.GradientNorms), worst, Farthest(run.Probe, reference.Probe),
        };
        world.AllReduce((nint)worsts, 4, CollectiveDataType.Float64, ReduceOperation.Max);
        return new ParityComparison(worsts[0], worsts[1], worsts[2], worstName, worsts[3]);

        static double Square(double x) => x * x;
    }

    // Two roundings of numbers up to about 1 to float32.
    private const double ProbeBound = 3e-7;

    /// <summary>Whether all are below a bound; what is not a number is not.</summary>
    public bool IsWithin(double bound) => Loss <= bound && GradientNorm <= bound && Parameters <= bound && Probe <= ProbeBound;

    /// <inheritdoc/>
    public override string ToString()
        => string.Create(CultureInfo.InvariantCulture, $"loss {Loss:E1} norm {GradientNorm:E1} parameters {Parameters:E1} {WorstParameter} probe {Probe:E1}");

    private static double Farthest(double[] values, double[] expected)
        => values.Length == expected.Length ? values.Zip(expected, (a, b) => double.IsNaN(a) ? double.PositiveInfinity : Math.Abs(a - b)).Max() : double.PositiveInfinity;

    private static double Worst(double[] values, double[] expected)
    {
        var worst = 0.0;
        for (var i = 0; i < values.Length; i++)
        {
            var relative = Math.Abs(values[i] - expected[i]) / Math.Abs(expected[i]);
            if (!(relative <= worst)) worst = relative;
        }
        return worst;
    }
}
