using KvShiftScale.Data.Configuration;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Optimization;

namespace KvShiftScale.Trainer.Configuration;

/// <summary>The whole configuration of a run: a section for each part of the program, declared beside what it configures.</summary>
public sealed record RunConfig
{
    /// <summary>Name, length and rhythm of the run.</summary>
    public required RunSection Run { get; init; }

    /// <summary>Shape of the model.</summary>
    public ModelConfig Model { get; init; } = new();

    /// <summary>Token shards and batches.</summary>
    public DataConfig Data { get; init; } = new();

    /// <summary>How the work is spread over ranks.</summary>
    public ParallelConfig Parallel { get; init; } = new();

    /// <summary>AdamW and its learning rate.</summary>
    public OptimizerConfig Optimizer { get; init; } = new();

    /// <summary>Number format of parameters and activations.</summary>
    public Precision Precision { get; init; } = Precision.Fp32;

    /// <summary>Export of metrics.</summary>
    public TelemetrySection Telemetry { get; init; } = new();

    /// <summary>What the machine can do.</summary>
    public HardwareSection Hardware { get; init; } = new();
}
