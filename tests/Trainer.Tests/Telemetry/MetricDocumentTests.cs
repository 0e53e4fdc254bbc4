using System.Diagnostics.Metrics;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Tests.Telemetry;

/// <summary>
/// docs/telemetry.md has a line for every instrument, and says of it which ranks measure it; those of probes and of collectives stand there together.
/// </summary>
[Collection(nameof(TrainingMeter))]
public sealed class MetricDocumentTests
{
    [Fact]
    public void EveryInstrumentStandsInItWithItsRanks()
    {
        var lines = File.ReadLines(Path.Combine(Repository(), "docs", "telemetry.md"))
            .Where(line => line.StartsWith("| `kvshift.", StringComparison.Ordinal)).Select(line => line.Split('|', StringSplitOptions.TrimEntries)).ToArray();
        var documented = lines.Where(cells => cells.Length > 4 && cells[3] is "first" or "each").ToDictionary(cells => cells[1].Trim('`'), cells => cells[3]);

        Assert.Equal(Instruments().Where(name => !name.StartsWith("kvshift.probe.", StringComparison.Ordinal)).Order(StringComparer.Ordinal),
            documented.Keys.Where(name => !name.Contains('*') && !name.Contains('`')).Order(StringComparer.Ordinal));
        var ranks = StepMetrics.All.Where(metric => metric.Instrument is not null).Select(metric => (metric.Instrument!.Name, metric.Instrument.By))
            .Concat(TrainingMeter.OfSteps.Select(instrument => (instrument.Name, instrument.By)))
            .Concat(TrainingMeter.OfSaves.Select(instrument => (instrument.Name, instrument.By)));
        Assert.All(ranks, instrument => Assert.Equal(instrument.By == MeasuredBy.FirstRank ? "first" : "each", documented[instrument.Name]));
    }

    private static List<string> Instruments()
    {
        var names = new List<string>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Meter.Name == TrainingMeter.MeterName)
                {
                    names.Add(instrument.Name);
                }
            },
        };
        listener.Start();
        using var meter = new TrainingMeter();
        return names;
    }

    private static string Repository()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory!.FullName, "KvShiftScale.sln")))
        {
            directory = directory.Parent;
        }

        return directory.FullName;
    }
}
