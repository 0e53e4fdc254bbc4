namespace KvShiftScale.Trainer.Tests.Telemetry;

/// <summary>Counts of a histogram between bounds.</summary>
/// <param name="IsExponential">The bounds are powers of one base.</param>
/// <param name="Buckets">Bounds and counts, smallest first.</param>
internal sealed record OtlpHistogram(bool IsExponential, IReadOnlyList<(double Lower, double Upper, ulong Count)> Buckets)
{
    /// <summary>Of an ExponentialHistogramDataPoint.</summary>
    public static OtlpHistogram Exponential(ProtobufMessage point)
    {
        var scale = point.Has(6) ? Signed(point.Number(6)) : 0;
        var positive = point.Messages(8).Single();
        var offset = positive.Has(1) ? Signed(positive.Number(1)) : 0;
        var step = Math.Pow(2, -scale);
        return new OtlpHistogram(true, [.. positive.Varints(2).Select((count, place) => (Bound(place), Bound(place + 1), count))]);

        double Bound(int place) => Math.Pow(2, (offset + place) * step);

        // Zigzag.
        static int Signed(ulong number) => (int)(number >> 1) ^ -(int)(number & 1);
    }

    /// <summary>Of a HistogramDataPoint.</summary>
    public static OtlpHistogram Explicit(ProtobufMessage point)
    {
        var bounds = point.Doubles(7);
        return new OtlpHistogram(false, [.. point.Fixed64s(6).Select((count, place) =>
            (place == 0 ? 0 : bounds[place - 1], place < bounds.Count ? bounds[place] : double.PositiveInfinity, count))]);
    }

    /// <summary>
    /// The value below which a share of all lie, as a reader of the histogram reckons it: by interpolation between bounds.
    /// </summary>
    public double Quantile(double share)
    {
        var wanted = share * Buckets.Sum(bucket => (double)bucket.Count);
        var below = 0.0;
        foreach (var (lower, upper, count) in Buckets)
        {
            if (count > 0 && below + count >= wanted)
            {
                return lower + ((upper - lower) * (wanted - below) / count);
            }

            below += count;
        }

        return double.NaN;
    }
}
