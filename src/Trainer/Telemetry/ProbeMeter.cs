using System.Diagnostics.Metrics;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>
/// The instruments of the probe. A series for every head would be thousands in a large model; these are a few for each layer, and
/// <c>metrics.jsonl</c> has the heads.
/// </summary>
internal sealed class ProbeMeter
{
    private readonly Gauge<double> _accuracy;
    private readonly Gauge<double> _lossDifference;
    private readonly Gauge<double> _duration;
    private readonly Gauge<double> _prefixMatching;
    private readonly Gauge<double> _copying;
    private readonly Gauge<double> _keyPrevious;
    private readonly Gauge<double> _valuePrevious;

    public ProbeMeter(Meter meter)
    {
        _accuracy = meter.CreateGauge<double>("kvshift.probe.induction_accuracy", "1", "Accuracy on the repetition of random sequences, 0 to 1.");
        _lossDifference = meter.CreateGauge<double>(
            "kvshift.probe.loss_difference", "{nat}", "Loss on the second copy of random sequences minus that on the first.");
        _duration = meter.CreateGauge<double>("kvshift.probe.duration", "s", "Duration of the last probe.");
        _prefixMatching = meter.CreateGauge<double>("kvshift.probe.prefix_matching", "1", "Largest prefix-matching score of the layer's heads.");
        _copying = meter.CreateGauge<double>("kvshift.probe.copying", "1", "Largest copying score of the layer's heads.");
        _keyPrevious = meter.CreateGauge<double>(
            "kvshift.probe.key_previous_share", "1", "Share of the weights of previous tokens in the layer's keys, mean over kv heads.");
        _valuePrevious = meter.CreateGauge<double>(
            "kvshift.probe.value_previous_share", "1", "Share of the weights of previous tokens in the layer's values, mean over kv heads.");
    }

    /// <summary>Measures a probe.</summary>
    public void Record(ProbeRecord probe)
    {
        _accuracy.Record(probe.Scores.Accuracy);
        _lossDifference.Record(probe.Scores.LossDifference);
        _duration.Record(probe.Seconds);
        for (var number = 0; number < probe.Scores.Layers.Count; number++)
        {
            var layer = probe.Scores.Layers[number];
            var label = new KeyValuePair<string, object?>("layer", (long)number);
            _prefixMatching.Record(layer.PrefixMatching.Max(), label);
            _copying.Record(layer.Copying.Max(), label);
            if (layer.KeyShift is { } keys)
            {
                _keyPrevious.Record(PreviousShare(keys), label);
            }

            if (layer.ValueShift is { } values)
            {
                _valuePrevious.Record(PreviousShare(values), label);
            }
        }
    }

    private static double PreviousShare(IReadOnlyList<IReadOnlyList<float>> rows) => rows.Average(row =>
    {
        var total = row.Sum(Math.Abs);
        return total == 0 ? 0 : 1 - (Math.Abs(row[^1]) / (double)total);
    });
}
