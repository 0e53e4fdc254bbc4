using System.Diagnostics.Metrics;
using KvShiftScale.Parallel.Collectives;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>
/// The instruments of communication: a series for each operation of each kind of group. They are read when metrics are exported, never in a
/// step.
/// </summary>
internal static class CollectiveMeter
{
    /// <summary>Adds the instruments to a meter.</summary>
    public static void Add(Meter meter, CollectiveLedger ledger)
    {
        meter.CreateObservableCounter("kvshift.collective.calls", () => Measure(totals => totals.Calls), "{call}", "Collectives of this rank.");
        meter.CreateObservableCounter("kvshift.collective.bytes", () => Measure(totals => totals.ByteCount), "By",
            "Bytes of their whole buffers: all parts of a scattered or gathered one.");
        meter.CreateObservableCounter("kvshift.collective.seconds", () => Measure(totals => totals.Seconds), "s",
            "Time in which this rank could do nothing else: moving data and waiting for the others.");

        IEnumerable<Measurement<T>> Measure<T>(Func<CollectiveTotals, T> value)
            where T : struct
            => from total in ledger.Totals()
               select new Measurement<T>(value(total.Totals), new("operation", total.Totals.Name), new("group", total.Group));
    }
}
