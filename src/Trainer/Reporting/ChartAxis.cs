using System.Globalization;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>A linear or logarithmic axis: its range, and ticks at round numbers within it.</summary>
public sealed class ChartAxis
{
    private const double LargestPlain = 10_000;
    private const double SmallestPlain = 0.001;

    // Below this ratio of its ends a logarithmic axis is nearly linear, and has the ticks of one.
    private const double NearlyLinear = 3;

    private readonly double _step;
    private readonly bool _isLogarithmic;

    private ChartAxis(double minimum, double maximum, double step, bool isLogarithmic = false)
    {
        _isLogarithmic = isLogarithmic;
        Minimum = minimum;
        Maximum = maximum;
        _step = step;
    }

    /// <summary>Value at the lower end.</summary>
    public double Minimum { get; }

    /// <summary>Value at the upper end.</summary>
    public double Maximum { get; }

    /// <summary>An axis that ends at its data.</summary>
    public static ChartAxis Exactly(double minimum, double maximum, int tickCount)
    {
        (minimum, maximum) = Widen(minimum, maximum);
        return new ChartAxis(minimum, maximum, RoundStep((maximum - minimum) / tickCount));
    }

    /// <summary>A logarithmic axis over positive values.</summary>
    public static ChartAxis Logarithmic(double minimum, double maximum)
    {
        // A line that hardly moves still has room around it.
        var (low, high) = (minimum / 1.02, Math.Max(maximum, minimum * 1.2) * 1.02);
        return new ChartAxis(low, high, RoundStep((high - low) / 5), isLogarithmic: true);
    }

    /// <summary>An axis that ends at the ticks around its data.</summary>
    public static ChartAxis Around(double minimum, double maximum, int tickCount)
    {
        (minimum, maximum) = Widen(minimum, maximum);
        var step = RoundStep((maximum - minimum) / tickCount);
        return new ChartAxis(Math.Floor((minimum / step) + 1e-9) * step, Math.Ceiling((maximum / step) - 1e-9) * step, step);
    }

    /// <summary>Place of a value, 0 at the lower end and 1 at the upper.</summary>
    public double Fraction(double value)
        => _isLogarithmic ? Math.Log(value / Minimum) / Math.Log(Maximum / Minimum) : (value - Minimum) / (Maximum - Minimum);

    /// <summary>Values of the ticks with their labels, in ascending order.</summary>
    public IReadOnlyList<(double Value, string Label)> Ticks()
    {
        var ticks = new List<(double Value, string Label)>();
        if (_isLogarithmic && Maximum / Minimum >= NearlyLinear)
        {
            return LogarithmicTicks();
        }

        var tolerance = _step * 1e-6;
        var largest = Math.Max(Math.Abs(Minimum), Math.Abs(Maximum));
        for (var index = (long)Math.Ceiling((Minimum - tolerance) / _step); index * _step <= Maximum + tolerance; index++)
        {
            ticks.Add((index * _step, Label(index * _step, largest)));
        }

        return ticks;
    }

    // As many of a decade as leave room for their labels.
    private List<(double Value, string Label)> LogarithmicTicks()
    {
        var decades = Math.Log10(Maximum / Minimum);
        int[] factors = decades < 1.2 ? [1, 2, 3, 4, 5, 6, 7, 8, 9] : decades < 4 ? [1, 2, 5] : [1];
        var ticks = new List<(double Value, string Label)>();
        for (var power = (int)Math.Floor(Math.Log10(Minimum)); power <= Math.Log10(Maximum); power++)
        {
            ticks.AddRange(factors.Select(factor => factor * Math.Pow(10, power)).Where(value => value >= Minimum && value <= Maximum)
                .Select(value => (value, value.ToString("G3", CultureInfo.InvariantCulture))));
        }

        return ticks;
    }

    private static (double Minimum, double Maximum) Widen(double minimum, double maximum)
    {
        if (maximum > minimum)
        {
            return (minimum, maximum);
        }

        var half = minimum == 0 ? 0.5 : Math.Abs(minimum) * 0.1;
        return (minimum - half, minimum + half);
    }

    /// <summary>The smallest of 1, 2, 5, 10, 20, ... times a power of ten that is at least <paramref name="step"/>.</summary>
    private static double RoundStep(double step)
    {
        var power = Math.Pow(10, Math.Floor(Math.Log10(step)));
        foreach (var factor in (ReadOnlySpan<double>)[1, 2, 5])
        {
            if (step <= factor * power * (1 + 1e-9))
            {
                return factor * power;
            }
        }

        return 10 * power;
    }

    private string Label(double value, double largest)
    {
        if (value == 0)
        {
            return "0";
        }

        if (largest >= LargestPlain)
        {
            var (unit, suffix) = largest >= 1e9 ? (1e9, "G") : largest >= 1e6 ? (1e6, "M") : (1e3, "k");
            return Fixed(value / unit, _step / unit) + suffix;
        }

        if (largest < SmallestPlain)
        {
            var exponent = (int)Math.Floor(Math.Log10(largest));
            var unit = Math.Pow(10, exponent);
            return string.Create(CultureInfo.InvariantCulture, $"{Fixed(value / unit, _step / unit)}e{exponent}");
        }

        return Fixed(value, _step);
    }

    /// <summary>As many decimals as tell neighbouring ticks apart.</summary>
    private static string Fixed(double value, double step)
    {
        var decimals = Math.Max(0, -(int)Math.Floor(Math.Log10(step) + 1e-9));
        return value.ToString("N" + decimals.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
    }
}
