using System.Text;
using KvShiftScale.Core;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Telemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;

namespace KvShiftScale.Trainer.Tests.Telemetry;

/// <summary>
/// The configuration goes before the variables of the OpenTelemetry specification where it says something, and nowhere else.
/// </summary>
public sealed class TelemetrySettingsTests
{
    [Fact]
    public void NothingSaidMeansNothingExported()
    {
        var settings = Resolve();

        Assert.Null(settings.Endpoint);
        Assert.Empty(settings.Notices);
    }

    [Fact]
    public void DefaultsHoldWhereNeitherSaysAnything()
    {
        var settings = Resolve(new TelemetrySection { OtlpEndpoint = "http://collector:4318" });

        Assert.Equal(
            ("http://collector:4318/v1/metrics", OtlpProtocol.HttpProtobuf, 3.0, 10.0, OtlpExportCompression.None, MetricReaderTemporalityPreference.Cumulative, false, "kvshift"),
            (settings.Endpoint!.AbsoluteUri, settings.Protocol, settings.Timeout.TotalSeconds, settings.Interval.TotalSeconds, settings.Compression,
                settings.Temporality, settings.HasFixedBuckets, settings.ServiceName));
        Assert.Empty(settings.Headers);
    }

    [Theory]
    [InlineData("http://a:1/v1/metrics", "OTEL_EXPORTER_OTLP_ENDPOINT=http://a:1")]
    [InlineData("http://a:1/x", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://a:1/x")]
    [InlineData("http://a:1/", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://a:1")]
    [InlineData("http://b:2/x", "OTEL_EXPORTER_OTLP_ENDPOINT=http://a:1", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://b:2/x")]
    [InlineData("http://localhost:4318/v1/metrics", "OTEL_METRICS_EXPORTER=otlp")]
    [InlineData("http://localhost:4317/", "OTEL_METRICS_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc")]
    [InlineData("https://a:1/", "OTEL_EXPORTER_OTLP_ENDPOINT=a:1", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc")]
    [InlineData("http://a:1/", "OTEL_EXPORTER_OTLP_ENDPOINT=a:1", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_INSECURE=true")]
    [InlineData(null, "OTEL_EXPORTER_OTLP_ENDPOINT=")]
    [InlineData(null, "OTEL_EXPORTER_OTLP_ENDPOINT=http://a:1", "OTEL_SDK_DISABLED=true")]
    [InlineData(null, "OTEL_EXPORTER_OTLP_ENDPOINT=http://a:1", "OTEL_METRICS_EXPORTER=none")]
    public void AddressComesFromTheEnvironment(string? expected, params string[] environment)
        => Assert.Equal(expected, Resolve(null, environment).Endpoint?.AbsoluteUri);

    [Fact]
    public void ConfigurationGoesFirstWhereItSaysSomething()
    {
        var settings = Resolve(
            new TelemetrySection { OtlpEndpoint = "http://file:1", OtlpProtocol = OtlpProtocol.Grpc, ExportIntervalSeconds = 2 },
            "OTEL_EXPORTER_OTLP_ENDPOINT=http://a:1", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://b:1", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
            "OTEL_METRIC_EXPORT_INTERVAL=5000", "OTEL_EXPORTER_OTLP_TIMEOUT=7000");

        Assert.Equal(("http://file:1/", OtlpProtocol.Grpc, 2.0, 7.0),
            (settings.Endpoint!.AbsoluteUri, settings.Protocol, settings.Interval.TotalSeconds, settings.Timeout.TotalSeconds));
    }

    [Theory]
    [InlineData("OTEL_SDK_DISABLED=true")]
    [InlineData("OTEL_SDK_DISABLED=TRUE")]
    [InlineData("OTEL_METRICS_EXPORTER=none")]
    public void SwitchedOffIsOffAndSaysSo(string variable)
    {
        var settings = Resolve(new TelemetrySection { OtlpEndpoint = "http://user:geheim@file:1" }, variable);

        Assert.Null(settings.Endpoint);
        Assert.Contains("nothing is exported to http://***@file:1", Assert.Single(settings.Notices));
    }

    [Fact]
    public void EveryVariableIsHeardAndThoseOfTheMetricsFirst()
    {
        string[] general =
        [
            "OTEL_EXPORTER_OTLP_ENDPOINT=http://a:1", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_TIMEOUT=1500", "OTEL_EXPORTER_OTLP_COMPRESSION=gzip",
            "OTEL_EXPORTER_OTLP_HEADERS=X-One=1, two=a%2Cb", "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=LowMemory",
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=explicit_bucket_histogram", "OTEL_METRIC_EXPORT_INTERVAL=2500",
            "OTEL_METRIC_EXPORT_TIMEOUT=900", "OTEL_SERVICE_NAME=mine", "OTEL_RESOURCE_ATTRIBUTES=service.name=other,team=a%20b",
        ];
        var settings = Resolve(null, general);

        Assert.Empty(settings.Notices);
        Assert.Equal(
            (OtlpProtocol.Grpc, 1.5, OtlpExportCompression.GZip, MetricReaderTemporalityPreference.LowMemory, true, 2.5, 0.9, "mine"),
            (settings.Protocol, settings.Timeout.TotalSeconds, settings.Compression, settings.Temporality, settings.HasFixedBuckets,
                settings.Interval.TotalSeconds, settings.ExportTimeout.TotalSeconds, settings.ServiceName));
        Assert.Equal([("x-one", "1"), ("two", "a,b")], settings.Headers);
        Assert.Equal([("team", "a b")], settings.Attributes);

        var own = Resolve(null, [.. general, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/protobuf", "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT=1600",
            "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION=none", "OTEL_EXPORTER_OTLP_METRICS_HEADERS=three=3"]);
        Assert.Equal((OtlpProtocol.HttpProtobuf, 1.6, OtlpExportCompression.None), (own.Protocol, own.Timeout.TotalSeconds, own.Compression));
        Assert.Equal([("three", "3")], own.Headers);
        Assert.Equal("other", Resolve(null, [.. general.Where(text => !text.StartsWith("OTEL_SERVICE_NAME", StringComparison.Ordinal))]).ServiceName);
    }

    [Theory]
    [InlineData("OTEL_EXPORTER_OTLP_PROTOCOL=http/json", "OTEL_EXPORTER_OTLP_PROTOCOL=http/json is not known here")]
    [InlineData("OTEL_EXPORTER_OTLP_TIMEOUT=ten", "wanted a whole number of milliseconds")]
    [InlineData("OTEL_EXPORTER_OTLP_TIMEOUT=0", "wanted a whole number of milliseconds")]
    [InlineData("OTEL_METRIC_EXPORT_INTERVAL=-5", "wanted a whole number of milliseconds")]
    [InlineData("OTEL_METRIC_EXPORT_INTERVAL=99999999999", "wanted a whole number of milliseconds")]
    [InlineData("OTEL_EXPORTER_OTLP_COMPRESSION=zstd", "gzip and none")]
    [InlineData("OTEL_METRICS_EXPORTER=console", "otlp and none")]
    [InlineData("OTEL_SDK_DISABLED=1", "counts as false")]
    [InlineData("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=both", "cumulative, delta and lowmemory")]
    [InlineData("OTEL_EXPORTER_OTLP_HEADERS=geheim", "an entry of OTEL_EXPORTER_OTLP_HEADERS is left out")]
    [InlineData("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=htp://user:geheim@x?k=geheim", "htp://***@x?k=*** counts as not set")]
    [InlineData("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=user:geheim@x", "counts as not set")]
    public void WhatHasNoMeaningCountsAsNotSetAndIsTold(string variable, string notice)
    {
        var settings = Resolve(new TelemetrySection { OtlpEndpoint = "http://file:1" }, variable);

        Assert.Contains(notice, Assert.Single(settings.Notices));
        Assert.DoesNotContain("geheim", settings.Notices[0]);
        Assert.Equal("http://file:1/v1/metrics", settings.Endpoint!.AbsoluteUri);
        Assert.Equal((OtlpProtocol.HttpProtobuf, 3.0, 10.0), (settings.Protocol, settings.Timeout.TotalSeconds, settings.Interval.TotalSeconds));
    }

    [Theory]
    [InlineData("http://user:pass@a:1", "user:pass")]
    [InlineData("http://us%20er:p%40%3Ass@a:1/path?x=1", "us er:p@:ss")]
    [InlineData("https://token@a", "token:")]
    [InlineData("http://:pass@a", ":pass")]
    public void UserAndPasswordBecomeAHeader(string address, string credentials)
    {
        foreach (var settings in (TelemetrySettings[])
            [Resolve(new TelemetrySection { OtlpEndpoint = address }), Resolve(null, $"OTEL_EXPORTER_OTLP_ENDPOINT={address}")])
        {
            Assert.Equal([("authorization", "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(credentials)))], settings.Headers);
            Assert.Equal("", settings.Endpoint!.UserInfo);
            Assert.DoesNotContain("@", settings.ShownEndpoint);
        }
    }

    [Fact]
    public void ConfiguredUserGoesBeforeTheEnvironmentsHeaderWhichGoesBeforeTheEnvironmentsUser()
    {
        const string Header = "OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20abc";

        var configured = Resolve(new TelemetrySection { OtlpEndpoint = "http://user:pass@a:1" }, Header);
        var environment = Resolve(null, Header, "OTEL_EXPORTER_OTLP_ENDPOINT=http://user:pass@a:1");

        Assert.StartsWith("Basic ", Assert.Single(configured.Headers).Value);
        Assert.Equal(("authorization", "Bearer abc"), Assert.Single(environment.Headers));
    }

    [Theory]
    [InlineData("http://user:pass@a:1")]
    [InlineData("http://user:pass@a:1/x?key=1")]
    [InlineData("https://a/x?key=1&more=2")]
    public void MaskedAddressWantsItsSecretsFromSomewhere(string address)
    {
        var masked = new TelemetrySection { OtlpEndpoint = address }.Masked();

        var fault = Assert.Single(Assert.Throws<ConfigException>(() => Resolve(masked)).Faults);
        Assert.Contains("runs keep no secrets", fault.Rule);
        var full = Resolve(new TelemetrySection { OtlpEndpoint = address });
        var found = Resolve(masked, $"OTEL_EXPORTER_OTLP_ENDPOINT={address}");
        Assert.Equal((full.Endpoint, full.Headers.SingleOrDefault()), (found.Endpoint, found.Headers.SingleOrDefault()));
        Assert.Throws<ConfigException>(() => Resolve(masked, "OTEL_EXPORTER_OTLP_ENDPOINT=http://user:pass@elsewhere:1"));
    }

    [Fact]
    public void HeaderOfTheEnvironmentStandsForAMaskedUser()
    {
        var masked = new TelemetrySection { OtlpEndpoint = "http://user:pass@a:1/x" }.Masked();

        var settings = Resolve(masked, "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20abc");

        Assert.Equal("http://a:1/x/v1/metrics", settings.Endpoint!.AbsoluteUri);
        Assert.Equal(("authorization", "Bearer abc"), Assert.Single(settings.Headers));
    }

    [Theory]
    [InlineData("OTEL_EXPORTER_OTLP_CERTIFICATE")]
    [InlineData("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE")]
    [InlineData("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE")]
    public void CertificateThatCannotBeReadIsRefused(string variable)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.PathOf("empty.pem"), "nothing");

        foreach (var path in (string[])[folder.PathOf("empty.pem"), folder.PathOf("missing.pem")])
        {
            var error = Assert.Throws<UsageException>(() => Resolve(new TelemetrySection { OtlpEndpoint = "https://a" }, $"{variable}={path}"));
            Assert.Contains(path, error.Message);
        }
    }

    private static TelemetrySettings Resolve(TelemetrySection? section = null, params string[] environment)
    {
        var variables = environment.Select(text => text.Split('=', 2)).ToDictionary(parts => parts[0], parts => parts[1]);
        return TelemetrySettings.Resolve(section ?? new TelemetrySection(), TelemetryEnvironment.Read(name => variables.GetValueOrDefault(name)));
    }
}
