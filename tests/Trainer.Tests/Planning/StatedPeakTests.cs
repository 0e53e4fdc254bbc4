using KvShiftScale.Models.Configuration;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Planning;

namespace KvShiftScale.Trainer.Tests.Planning;

public sealed class StatedPeakTests
{
    [Theory]
    [InlineData("NVIDIA H200", 989.4, 494.7, 66.9)]
    [InlineData("NVIDIA H200 NVL", 835.5, 417.5, 60.0)]
    [InlineData("NVIDIA H100 80GB HBM3", 989.4, 494.7, 66.9)]
    [InlineData("NVIDIA H100 PCIe", 756.5, 378.0, 51.2)]
    [InlineData("NVIDIA A100-SXM4-80GB", 312.0, 156.0, 19.5)]
    [InlineData("NVIDIA A100 80GB PCIe", 312.0, 156.0, 19.5)]
    [InlineData("A100-PCIE-40GB", 312.0, 156.0, 19.5)]
    [InlineData("NVIDIA A10", 125.0, 62.5, 31.2)]
    [InlineData("NVIDIA L4", 121.0, 60.0, 30.3)]
    [InlineData("NVIDIA L40S", 362.05, 183.0, 91.6)]
    [InlineData("NVIDIA GeForce RTX 4090", 165.2, 82.6, 82.6)]
    [InlineData("NVIDIA GH200 480GB", 989.4, 494.7, 66.9)]
    [InlineData("Tesla V100-SXM2-32GB", null, null, 15.7)]
    [InlineData("Tesla T4", null, null, 8.1)]
    [InlineData("NVIDIA A10G", null, null, null)]
    [InlineData("NVIDIA GeForce RTX 4090 Laptop GPU", null, null, null)]
    [InlineData("NVIDIA H100 80GB HBM3 MIG 1g.10gb", null, null, null)]
    [InlineData("AMD Instinct MI300X", null, null, null)]
    [InlineData("", null, null, null)]
    public void PeakIsThatOfTheGpuAndOfThePrecision(string name, double? bf16, double? tf32, double? fp32)
    {
        Assert.Equal(bf16, StatedPeak.Tflops(name, Precision.Bf16, allowsTf32: false));
        Assert.Equal(tf32, StatedPeak.Tflops(name, Precision.Fp32, allowsTf32: true));
        Assert.Equal(fp32, StatedPeak.Tflops(name, Precision.Fp32, allowsTf32: false));
        Assert.Null(StatedPeak.Tflops(name, Precision.Fp64, allowsTf32: true));
    }

    [Theory]
    [InlineData("NVIDIA H200", "NVIDIA H200", "NVIDIA H200")]
    [InlineData("NVIDIA A100-SXM4-80GB", "NVIDIA A100-SXM4-80GB")]
    [InlineData(null, "NVIDIA H200", "NVIDIA L4")]
    [InlineData(null)]
    public void NameIsThatOfAllGpusOfTheMachine(string? expected, params string[] gpus)
    {
        using var folder = new TemporaryFolder();
        for (var gpu = 0; gpu < gpus.Length; gpu++)
        {
            var directory = folder.PathOf($"0000:{gpu:x2}:00.0");
            Directory.CreateDirectory(directory);
            File.WriteAllText(Path.Combine(directory, "information"), $"Model: \t\t {gpus[gpu]}\nIRQ:   \t\t 35\nGPU UUID: \t GPU-1\n");
        }

        Assert.Equal(expected, StatedPeak.NameOfGpus(folder.Path));
    }

    [Fact]
    public void MachineWithoutADriverHasNone() => Assert.Null(StatedPeak.NameOfGpus("/nowhere/gpus"));
}
