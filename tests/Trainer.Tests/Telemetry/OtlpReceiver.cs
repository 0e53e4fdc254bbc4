using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using Google.Protobuf;

namespace KvShiftScale.Trainer.Tests.Telemetry;

/// <summary>An OpenTelemetry collector on this machine: takes metrics over HTTP and remembers them.</summary>
internal sealed class OtlpReceiver : IDisposable
{
    private readonly HttpListener _listener;
    private readonly Thread _thread;
    private readonly ConcurrentDictionary<(string Instance, string Metric), string> _values = [];

    public OtlpReceiver()
    {
        (_listener, Endpoint) = Listen();
        _thread = new Thread(Receive) { IsBackground = true };
        _thread.Start();
    }

    public string Endpoint { get; }

    /// <summary>Path and content type of each request.</summary>
    public ConcurrentQueue<(string Path, string? ContentType)> Requests { get; } = [];

    /// <summary>Attributes of the process that sent last.</summary>
    public IReadOnlyDictionary<string, string> Resource { get; private set; } = new Dictionary<string, string>();

    /// <summary>
    /// The newest data points of each metric with their unit: a number, or count and sum of a histogram. A point with attributes of its own
    /// has them behind the name: <c>name{group=data,operation=all_reduce}</c>.
    /// </summary>
    public ConcurrentDictionary<string, (string Unit, string Value)> Metrics { get; } = [];

    /// <summary>The newest value of one metric from each process (service.instance.id) that sent it.</summary>
    public IReadOnlyList<(string Instance, string Value)> ValuesOf(string metric)
        => [.. _values.Where(value => value.Key.Metric == metric).Select(value => (value.Key.Instance, value.Value))];

    public void Dispose()
    {
        _listener.Stop();
        _thread.Join();
        _listener.Close();
    }

    // It takes no port of the system's choice, and somebody else may have got the one that was free a moment before.
    private static (HttpListener Listener, string Endpoint) Listen()
    {
        for (var patience = 10; ; patience--)
        {
            string endpoint;
            using (var free = new RefusingPort())
            {
                endpoint = free.Endpoint;
            }

            var listener = new HttpListener();
            try
            {
                listener.Prefixes.Add(endpoint + "/");
                listener.Start();
                return (listener, endpoint);
            }
            catch (HttpListenerException) when (patience > 0)
            {
                ((IDisposable)listener).Dispose();
            }
        }
    }

    private void Receive()
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = _listener.GetContext();
            }
            catch (HttpListenerException)
            {
                return;
            }

            Requests.Enqueue((context.Request.Url!.AbsolutePath, context.Request.ContentType));
            Read(new ProtobufMessage(ByteString.FromStream(context.Request.InputStream)));
            context.Response.ContentType = "application/x-protobuf";
            context.Response.Close();
        }
    }

    // Field numbers of opentelemetry/proto/metrics/v1/metrics.proto and common/v1/common.proto.
    private void Read(ProtobufMessage request)
    {
        foreach (var resourceMetrics in request.Messages(1))
        {
            Resource = resourceMetrics.Messages(1).Single().Messages(1).ToDictionary(
                attribute => attribute.Text(1), attribute => Value(attribute.Messages(2).Single()));
            foreach (var metric in resourceMetrics.Messages(2).SelectMany(scope => scope.Messages(2)))
            {
                var data = metric.Messages(5).Concat(metric.Messages(7)).Concat(metric.Messages(9)).Single();
                foreach (var point in data.Messages(1))
                {
                    var value = metric.Has(9) ? Format($"{point.Number(4)} x {point.Double(5)}")
                        : point.Has(6) ? Format($"{(long)point.Number(6)}") : Format($"{point.Double(4)}");
                    var attributes = point.Messages(metric.Has(9) ? 9 : 7).Select(attribute => $"{attribute.Text(1)}={Value(attribute.Messages(2).Single())}");
                    var name = attributes.Any() ? $"{metric.Text(1)}{{{string.Join(',', attributes.Order())}}}" : metric.Text(1);
                    Metrics[name] = (metric.Text(3), value);
                    _values[(Resource["service.instance.id"], name)] = value;
                }
            }
        }
    }

    private static string Value(ProtobufMessage any) => any.Has(1) ? any.Text(1) : Format($"{(long)any.Number(3)}");

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
