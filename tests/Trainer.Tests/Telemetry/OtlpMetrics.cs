using System.Collections.Concurrent;
using System.Globalization;

namespace KvShiftScale.Trainer.Tests.Telemetry;

/// <summary>Metrics that were received by OTLP: the newest value of each from each process.</summary>
internal sealed class OtlpMetrics
{
    private readonly ConcurrentDictionary<(string Instance, string Metric), string> _values = [];

    /// <summary>Attributes of the process that sent last.</summary>
    public IReadOnlyDictionary<string, string> Resource { get; private set; } = new Dictionary<string, string>();

    /// <summary>Attributes of each process by its service.instance.id.</summary>
    public ConcurrentDictionary<string, IReadOnlyDictionary<string, string>> Resources { get; } = [];

    /// <summary>
    /// The newest data points of each metric with their unit: a number, or count and sum of a histogram. A point with attributes of its own
    /// has them behind the name: <c>name{group=data,operation=all_reduce}</c>.
    /// </summary>
    public ConcurrentDictionary<string, (string Unit, string Value)> Newest { get; } = [];

    /// <summary>Temporality of each counter and histogram: 1 delta, 2 cumulative.</summary>
    public ConcurrentDictionary<string, ulong> Temporality { get; } = [];

    /// <summary>The newest point of each histogram.</summary>
    public ConcurrentDictionary<string, OtlpHistogram> Histograms { get; } = [];

    /// <summary>The newest value of one metric from each process that sent it, with the process's rank.</summary>
    public IReadOnlyList<(string Rank, string Value)> ValuesOf(string metric)
        => [.. _values.Where(value => value.Key.Metric == metric).Select(value => (Resources[value.Key.Instance]["kvshift.rank"], value.Value)).Order()];

    /// <summary>The sum over processes of a counter's newest values.</summary>
    public long SumOf(string metric) => ValuesOf(metric).Sum(value => long.Parse(value.Value, CultureInfo.InvariantCulture));

    // Field numbers of opentelemetry/proto/metrics/v1/metrics.proto and common/v1/common.proto.
    public void Read(ProtobufMessage request)
    {
        const int Gauge = 5;
        const int Sum = 7;
        const int Histogram = 9;
        const int Exponential = 10;
        // One that is sent before there is anything to send names no process.
        foreach (var resourceMetrics in request.Messages(1).Where(resourceMetrics => resourceMetrics.Messages(2).Any()))
        {
            Resource = resourceMetrics.Messages(1).Single().Messages(1).ToDictionary(
                attribute => attribute.Text(1), attribute => Value(attribute.Messages(2).Single()));
            var instance = Resource.GetValueOrDefault("service.instance.id", "");
            Resources[instance] = Resource;
            foreach (var metric in resourceMetrics.Messages(2).SelectMany(scope => scope.Messages(2)))
            {
                var kind = ((int[])[Gauge, Sum, Histogram, Exponential]).Single(metric.Has);
                var data = metric.Messages(kind).Single();
                if (kind != Gauge)
                {
                    Temporality[metric.Text(1)] = data.Number(2);
                }

                foreach (var point in data.Messages(1))
                {
                    var isHistogram = kind is Histogram or Exponential;
                    var value = isHistogram ? Format($"{point.Number(4)} x {point.Double(5)}")
                        : point.Has(6) ? Format($"{(long)point.Number(6)}") : Format($"{point.Double(4)}");
                    var attributes = point.Messages(kind switch { Exponential => 1, Histogram => 9, _ => 7 })
                        .Select(attribute => $"{attribute.Text(1)}={Value(attribute.Messages(2).Single())}");
                    var name = attributes.Any() ? $"{metric.Text(1)}{{{string.Join(',', attributes.Order())}}}" : metric.Text(1);
                    if (isHistogram)
                    {
                        Histograms[name] = kind == Exponential ? OtlpHistogram.Exponential(point) : OtlpHistogram.Explicit(point);
                    }

                    Newest[name] = (metric.Text(3), value);
                    _values[(instance, name)] = value;
                }
            }
        }
    }

    private static string Value(ProtobufMessage any) => any.Has(1) ? any.Text(1) : Format($"{(long)any.Number(3)}");

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
