using System.Diagnostics.Metrics;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>What an instrument does with its numbers.</summary>
internal enum InstrumentKind
{
    /// <summary>Shows the last number.</summary>
    Gauge,

    /// <summary>Shows the last number, an integer.</summary>
    WholeGauge,

    /// <summary>Adds integers up.</summary>
    Counter,

    /// <summary>As <see cref="Counter"/>, from numbers that are sums since the launch began.</summary>
    CounterOfTotals,

    /// <summary>Counts durations by their length.</summary>
    Histogram,
}

/// <summary>The ranks that measure a number.</summary>
internal enum MeasuredBy
{
    /// <summary>The first alone, since it is the same on all: a sum or mean over ranks then means something.</summary>
    FirstRank,

    /// <summary>Each its own.</summary>
    EachRank,
}

/// <summary>A number for OpenTelemetry, and how it is taken from what was seen.</summary>
/// <param name="Name">Name of the metric.</param>
/// <param name="Kind">What becomes of its numbers.</param>
/// <param name="Unit">Unit in UCUM.</param>
/// <param name="By">The ranks that measure it.</param>
/// <param name="Description">A sentence for whoever looks at it.</param>
/// <param name="Measure">The number; null or not finite where there is none, which leaves the one before it in sight.</param>
internal sealed record Instrument<TSource>(string Name, InstrumentKind Kind, string Unit, MeasuredBy By, string Description, Func<TSource, double?> Measure)
{
    /// <summary>Makes the instrument.</summary>
    /// <returns>Measures one source.</returns>
    public Action<TSource> CreateIn(Meter meter)
    {
        var record = Recorder(meter);
        return source =>
        {
            if (Measure(source) is { } number && double.IsFinite(number))
            {
                record(number);
            }
        };
    }

    private Action<double> Recorder(Meter meter)
    {
        switch (Kind)
        {
            case InstrumentKind.Gauge:
                return meter.CreateGauge<double>(Name, Unit, Description).Record;
            case InstrumentKind.WholeGauge:
                var gauge = meter.CreateGauge<long>(Name, Unit, Description);
                return number => gauge.Record((long)number);
            case InstrumentKind.Histogram:
                return meter.CreateHistogram<double>(Name, Unit, Description).Record;
            default:
                var (counter, counted) = (meter.CreateCounter<long>(Name, Unit, Description), 0L);
                return number =>
                {
                    var added = (long)number - counted;
                    counted = Kind == InstrumentKind.CounterOfTotals ? (long)number : 0;
                    if (added > 0)
                    {
                        counter.Add(added);
                    }
                };
        }
    }
}
