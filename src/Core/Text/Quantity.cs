using System.Globalization;

namespace KvShiftScale.Core.Text;

/// <summary>Numbers as people read them.</summary>
public static class Quantity
{
    /// <summary>1,234,567.</summary>
    public static string Whole(double value) => value.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>950, 12.3 k, 4.56 M, 7.89 G.</summary>
    public static string Short(double value) => Math.Abs(value) switch
    {
        < 1_000 => Digits(value),
        < 1_000_000 => Digits(value / 1e3) + " k",
        < 1_000_000_000 => Digits(value / 1e6) + " M",
        _ => Digits(value / 1e9) + " G",
    };

    /// <summary>950, 12,345, 4.56 M, 19.01 B, 1.50 T: parameters and tokens, with B for a billion as in the names of models.</summary>
    public static string Count(double value) => Math.Abs(value) switch
    {
        < 1_000_000 => Whole(value),
        < 1_000_000_000 => Format($"{value / 1e6:0.00} M"),
        < 1_000_000_000_000 => Format($"{value / 1e9:0.00} B"),
        _ => Format($"{value / 1e12:0.00} T"),
    };

    /// <summary>512 B, 1.5 MiB, 3.25 GiB.</summary>
    public static string Bytes(double count) => count switch
    {
        < 1L << 10 => Digits(count) + " B",
        < 1L << 20 => Digits(count / (1L << 10)) + " KiB",
        < 1L << 30 => Digits(count / (1L << 20)) + " MiB",
        _ => Digits(count / (1L << 30)) + " GiB",
    };

    /// <summary>4.2s, 3m 12s, 5h 07m, 2d 04h.</summary>
    public static string Duration(double seconds)
    {
        if (!double.IsFinite(seconds) || seconds < 0 || seconds > TimeSpan.MaxValue.TotalSeconds)
        {
            return "-";
        }

        var time = TimeSpan.FromSeconds(seconds);
        return time switch
        {
            { TotalSeconds: < 10 } => Format($"{seconds:0.0}s"),
            { TotalMinutes: < 1 } => Format($"{seconds:0}s"),
            { TotalHours: < 1 } => Format($"{time.Minutes}m {time.Seconds:00}s"),
            { TotalDays: < 1 } => Format($"{time.Hours}h {time.Minutes:00}m"),
            _ => Format($"{time.Days}d {time.Hours:00}h"),
        };
    }

    /// <summary>Four decimals, or a dash where there is no number.</summary>
    public static string Loss(double? loss) =>
        loss is { } value ? double.IsFinite(value) ? Format($"{value:0.0000}") : Format($"{value}") : "-";

    /// <summary>989, 12.3, 0.034, 1.2e-05: a rate in TFLOP/s.</summary>
    public static string Tflops(double value) => Math.Abs(value) switch
    {
        >= 100 => Format($"{value:0}"),
        >= 10 => Format($"{value:0.0}"),
        >= 1 => Format($"{value:0.00}"),
        >= 0.001 or 0 => Format($"{value:0.0000}"),
        _ => value.ToString("0.0e-00", CultureInfo.InvariantCulture),
    };

    /// <summary>41.2 %.</summary>
    public static string Percent(double share) => Format($"{share * 100:0.0} %");

    /// <summary>3.00e-04.</summary>
    public static string LearningRate(double value) => value.ToString("0.00e-00", CultureInfo.InvariantCulture);

    public static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string Digits(double value) =>
        value.ToString(Math.Abs(value) switch { >= 100 => "0", >= 10 => "0.#", _ => "0.##" }, CultureInfo.InvariantCulture);
}
