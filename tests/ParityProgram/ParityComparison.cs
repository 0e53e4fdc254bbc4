using System.Globalization;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;

namespace KvShiftScale.ParityProgram;

/// <summary>How far a run is from the same run on one rank, relative, the worst over all ranks; infinite where something is not a number.</summary>
/// <param name="Losses">Relative difference of each step's loss.</param>
/// <param name="GradientNorms">Relative difference of each step's gradient norm.</param>
/// <param name="Parameters">Largest over parameters of |difference| / |parameter|, L2 norms over a rank's part.</param>
/// <param name="WorstParameter">The parameter that is this far.</param>
/// <param name="Probe">Largest difference of a number of the probe; the heads' are rounded to float32.</param>
internal sealed record ParityComparison(IReadOnlyList<double> Losses, IReadOnlyList<double> GradientNorms, double Parameters, string WorstParameter, double Probe)
{
    // Two roundings of numbers up to about 1 to float32.
    private const double ProbeBound = 3e-7;

    /// <summary>Largest relative difference of a step's loss.</summary>
    public double Loss => Losses.Max();

    /// <summary>Largest relative difference of a step's gradient norm.</summary>
    public double GradientNorm => GradientNorms.Max();

    /// <summary>Compares and takes the worst over the ranks. Collective.</summary>
    public static ParityComparison Of(ParityRun run, ParityRun reference, ProcessGroup world)
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
            var relative = Number(size == 0 ? Math.Sqrt(difference) : Math.Sqrt(difference / size));
            if (relative > worst)
            {
                (worst, worstName) = (relative, name);
            }
        }
        var steps = run.Losses.Length;
        double[] worsts = [.. Relative(run.Losses, reference.Losses), .. Relative(run.GradientNorms, reference.GradientNorms), worst, Farthest(run.Probe, reference.Probe)];
        world.Max(worsts.AsSpan());
        var names = world.AllGatherTexts(worst == worsts[^2] ? worstName : "");
        return new ParityComparison(worsts[..steps], worsts[steps..(2 * steps)], worsts[^2], names.FirstOrDefault(name => name.Length > 0, ""), worsts[^1]);

        static double Square(double x) => x * x;
    }

    /// <summary>Whether all are below a bound.</summary>
    public bool IsWithin(double bound) => Loss <= bound && GradientNorm <= bound && Parameters <= bound && Probe <= ProbeBound;

    /// <summary>What was beyond a bound first in the course of training: by this a fault shows itself.</summary>
    public string FirstBeyond(double bound)
    {
        for (var step = 0; step < Losses.Count; step++)
        {
            string[] beyond = [.. Losses[step] > bound ? ["loss"] : (string[])[], .. GradientNorms[step] > bound ? ["norm"] : (string[])[]];
            if (beyond.Length > 0)
            {
                return $"{string.Join(" and ", beyond)} of step {step + 1}";
            }
        }
        return Parameters > bound ? WorstParameter : "probe";
    }

    /// <inheritdoc/>
    public override string ToString()
        => string.Create(CultureInfo.InvariantCulture, $"loss {Loss:0.0E+0} norm {GradientNorm:0.0E+0} parameters {Parameters:0.0E+0} {WorstParameter} probe {Probe:0.0E+0}");

    // Nothing: the layout has no probe of the same tokens.
    private static double Farthest(double[] values, double[] expected)
        => values.Length == 0 ? 0
            : values.Length == expected.Length ? values.Zip(expected, (a, b) => Number(Math.Abs(a - b))).Max() : double.PositiveInfinity;

    private static IEnumerable<double> Relative(double[] values, double[] expected) => values.Zip(expected, (a, b) => Number(Math.Abs(a - b) / Math.Abs(b)));

    // The larger of a number and none is either, by MPI's maximum as by C#'s comparison.
    private static double Number(double x) => double.IsNaN(x) ? double.PositiveInfinity : x;
}
