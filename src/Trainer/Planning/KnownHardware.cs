using KvShiftScale.Models.Configuration;

namespace KvShiftScale.Trainer.Planning;

/// <summary>Devices that a plan can be made for by their name.</summary>
internal static class KnownHardware
{
    /// <summary>
    /// By name. Memory, bandwidths and links as NVIDIA's data sheets of the SXM forms and of its DGX systems state them: NVLink 900 GB/s (600 of A100) in both
    /// directions together, and for each GPU a network card of 400 Gb/s (200 of A100).
    /// </summary>
    public static IReadOnlyDictionary<string, HardwareProfile> All { get; } = new Dictionary<string, HardwareProfile>
    {
        ["h100"] = Gpu("H100 80GB HBM3", memoryBytes: 80e9, memoryBytesPerSecond: 3.35e12, nodeBytesPerSecond: 450e9, networkBytesPerSecond: 50e9),
        ["h200"] = Gpu("H200", memoryBytes: 141e9, memoryBytesPerSecond: 4.8e12, nodeBytesPerSecond: 450e9, networkBytesPerSecond: 50e9),
        ["a100"] = Gpu("A100", memoryBytes: 80e9, memoryBytesPerSecond: 2.039e12, nodeBytesPerSecond: 300e9, networkBytesPerSecond: 25e9) with { ProductEfficiency = 0.7, AttentionEfficiency = 0.5 },
    };

    // No data sheet states shares, latencies and the disk: they are assumptions, which a file replaces. The decimal gigabytes of a data sheet are some 6 % less
    // than what the driver reports, which is left for its own needs and for gaps between tensors.
    private static HardwareProfile Gpu(string name, double memoryBytes, double memoryBytesPerSecond, double nodeBytesPerSecond, double networkBytesPerSecond) => new()
    {
        MemoryBytes = memoryBytes,
        MemoryBytesPerSecond = memoryBytesPerSecond,
        Bf16FlopsPerSecond = StatedPeak.Tflops(name, Precision.Bf16, allowsTf32: false)!.Value * 1e12,
        Fp32FlopsPerSecond = StatedPeak.Tflops(name, Precision.Fp32, allowsTf32: false)!.Value * 1e12,
        ProductEfficiency = 0.6,
        AttentionEfficiency = 0.4,
        BandwidthEfficiency = 0.8,
        NodeBytesPerSecond = nodeBytesPerSecond,
        NodeLatencySeconds = 3e-6,
        NetworkBytesPerSecond = networkBytesPerSecond,
        NetworkLatencySeconds = 1e-5,
        OverlapShare = 1,
        DiskBytesPerSecond = 2e9,
    };
}
