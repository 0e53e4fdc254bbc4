using KvShiftScale.Core.Configuration;
using static KvShiftScale.Core.Configuration.NumberBound;

namespace KvShiftScale.Trainer.Planning;

/// <summary>What one device of a launch can do, one for each rank, and the links between devices.</summary>
public sealed record HardwareProfile
{
    /// <summary>Memory for the tensors of one rank, in bytes.</summary>
    public required double MemoryBytes { get; init; }

    /// <summary>Bandwidth of that memory, in bytes a second.</summary>
    public required double MemoryBytesPerSecond { get; init; }

    /// <summary>Peak of products in bfloat16, in operations a second.</summary>
    public required double Bf16FlopsPerSecond { get; init; }

    /// <summary>Peak of products in float32, in operations a second.</summary>
    public required double Fp32FlopsPerSecond { get; init; }

    /// <summary>Share of the peak that products of matrices reach.</summary>
    public required double ProductEfficiency { get; init; }

    /// <summary>Share of the peak that attention reaches, counted as a model's operations are: what is computed again in its backward does not count.</summary>
    public required double AttentionEfficiency { get; init; }

    /// <summary>Share of the bandwidths of memory and links that is reached.</summary>
    public required double BandwidthEfficiency { get; init; }

    /// <summary>Bandwidth of a rank's link to others of its node, one way, in bytes a second.</summary>
    public required double NodeBytesPerSecond { get; init; }

    /// <summary>Latency of a message inside a node, in seconds.</summary>
    public required double NodeLatencySeconds { get; init; }

    /// <summary>Bandwidth of a rank's link to other nodes, one way, in bytes a second.</summary>
    public required double NetworkBytesPerSecond { get; init; }

    /// <summary>Latency of a message between nodes, in seconds.</summary>
    public required double NetworkLatencySeconds { get; init; }

    /// <summary>Share of sums of gradients and of gathered parameters that computation can hide: 0 where they need the same cores.</summary>
    public required double OverlapShare { get; init; }

    /// <summary>What one node writes to the file system of checkpoints, in bytes a second.</summary>
    public required double DiskBytesPerSecond { get; init; }

    /// <summary>The bounds of every number, by key.</summary>
    internal static IReadOnlyDictionary<string, NumberBound> Bounds { get; } = new Dictionary<string, NumberBound>
    {
        ["memory_bytes"] = new Real(1, 1e18, "set the memory of one device in bytes, for example 80e9"),
        ["memory_bytes_per_second"] = Rate("the bandwidth of its memory in bytes a second, for example 3.35e12"),
        ["bf16_flops_per_second"] = Rate("the peak of dense products in bfloat16, for example 989.4e12"),
        ["fp32_flops_per_second"] = Rate("the peak of dense products in float32, for example 66.9e12"),
        ["product_efficiency"] = Share("the share of the peak that products reach, for example 0.6"),
        ["attention_efficiency"] = Share("the share of the peak that attention reaches, for example 0.4"),
        ["bandwidth_efficiency"] = Share("the share of bandwidths that is reached, for example 0.8"),
        ["node_bytes_per_second"] = Rate("the bandwidth between devices of one node, one way, for example 450e9"),
        ["node_latency_seconds"] = new Real(0, 10, "set the latency inside a node, for example 3e-6"),
        ["network_bytes_per_second"] = Rate("the bandwidth of one device to other nodes, one way, for example 50e9"),
        ["network_latency_seconds"] = new Real(0, 10, "set the latency between nodes, for example 1e-5"),
        ["overlap_share"] = new Real(0, 1, "use 1 where links work beside the computation, 0 where they need its cores"),
        ["disk_bytes_per_second"] = Rate("what one node writes of a checkpoint in a second, for example 2e9"),
    };

    private static Real Rate(string what) => new(1, 1e18, $"set {what}");

    private static Real Share(string what) => new(0, 1, $"set {what}", IsOpenBelow: true);
}
