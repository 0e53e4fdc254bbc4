using KvShiftScale.Core.Text;

namespace KvShiftScale.Trainer.Configuration;

/// <summary>The <c>telemetry</c> section of a run's configuration: where metrics are exported to.</summary>
public sealed record TelemetrySection
{
    /// <summary>
    /// Address of an OpenTelemetry collector, such as <c>http://localhost:4318</c>; may carry a user and password. Not set: what the
    /// variables of the OpenTelemetry specification say, and where they say nothing, nothing is exported.
    /// </summary>
    public string? OtlpEndpoint { get; init; }

    /// <summary>How metrics travel to the collector. Not set: what the variables say, else protocol buffers over HTTP.</summary>
    public OtlpProtocol? OtlpProtocol { get; init; }

    /// <summary>Seconds between exports. Not set: what the variables say, else 10.</summary>
    public double? ExportIntervalSeconds { get; init; }

    /// <summary>Write logged steps as TensorBoard event files into the folder <c>tensorboard</c> of the run, too.</summary>
    public bool Tensorboard { get; init; }

    /// <summary>The section as it may be written and shown: without what is secret in the address.</summary>
    internal TelemetrySection Masked() => OtlpEndpoint is null ? this : this with { OtlpEndpoint = AddressSecrets.MaskAddress(OtlpEndpoint) };
}
