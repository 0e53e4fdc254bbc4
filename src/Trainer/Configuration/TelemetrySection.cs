namespace KvShiftScale.Trainer.Configuration;

/// <summary>The <c>telemetry</c> section of a run's configuration: where metrics are exported to.</summary>
public sealed record TelemetrySection
{
    /// <summary>Address of an OpenTelemetry collector, such as <c>http://localhost:4318</c>; without it nothing is exported.</summary>
    public string? OtlpEndpoint { get; init; }

    /// <summary>How metrics travel to <see cref="OtlpEndpoint"/>.</summary>
    public OtlpProtocol OtlpProtocol { get; init; } = OtlpProtocol.HttpProtobuf;

    /// <summary>Seconds between exports.</summary>
    public double ExportIntervalSeconds { get; init; } = 10;
}
