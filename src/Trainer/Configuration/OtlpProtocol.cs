namespace KvShiftScale.Trainer.Configuration;

/// <summary>How metrics travel to an OpenTelemetry collector.</summary>
public enum OtlpProtocol
{
    /// <summary>Protocol buffers over HTTP; collectors listen on port 4318.</summary>
    HttpProtobuf,

    /// <summary>gRPC over HTTP/2; collectors listen on port 4317.</summary>
    Grpc,
}
