using System.Text.RegularExpressions;
using KvShiftScale.Models.Configuration;

namespace KvShiftScale.Trainer.Planning;

/// <summary>What the makers of GPUs state that these can do at most, for dense products: what MFU is given against.</summary>
internal static partial class StatedPeak
{
    // TFLOP/s without sparsity at the boost clock, from the makers' data sheets and architecture papers; bf16 (fp16 is the same) with sums
    // in fp32 on tensor cores, tf32 on tensor cores, fp32 on the other cores. Null: the GPU has no such unit. The driver adds memory and
    // form behind a name, and older drivers leave the maker out; the longest name that fits counts.
    private static readonly (string Name, double? Bf16, double? Tf32, double Fp32)[] Table =
    [
        ("GB200", 2500, 1250, 80),
        ("B200", 2250, 1125, 75),
        ("GH200", 989.4, 494.7, 66.9),
        ("H200 NVL", 835.5, 417.5, 60),
        ("H200", 989.4, 494.7, 66.9),
        ("H100 PCIe", 756.5, 378, 51.2),
        ("H100 NVL", 835.5, 417.5, 60),
        ("H100 80GB HBM3", 989.4, 494.7, 66.9),
        ("H800 PCIe", 756.5, 378, 51.2),
        ("H800", 989.4, 494.7, 66.9),
        ("H20", 148, 74, 44),
        ("A100", 312, 156, 19.5),
        ("A800", 312, 156, 19.5),
        ("A40", 149.7, 74.8, 37.4),
        ("A30", 165, 82, 10.3),
        ("A10", 125, 62.5, 31.2),
        ("L40S", 362.05, 183, 91.6),
        ("L40", 181.05, 90.5, 90.5),
        ("L4", 121, 60, 30.3),
        ("RTX 6000 Ada Generation", 364.2, 182.1, 91.1),
        ("RTX A6000", 154.8, 77.4, 38.7),
        ("GeForce RTX 5090", 209.5, 104.8, 104.8),
        ("GeForce RTX 4090", 165.2, 82.6, 82.6),
        ("GeForce RTX 3090", 71, 35.6, 35.6),
        ("V100-SXM2", null, null, 15.7),
        ("V100-PCIE", null, null, 14),
        ("T4", null, null, 8.1),
    ];

    private static readonly string[] Makers = ["NVIDIA ", "Tesla "];

    /// <summary>Peak of a GPU, in TFLOP/s.</summary>
    /// <param name="name">Its name, as the driver reports it.</param>
    /// <param name="precision">Number format of the products.</param>
    /// <param name="allowsTf32">Products of fp32 may be made on tensor cores.</param>
    /// <returns>Null where the table has no such GPU, or the GPU no such unit.</returns>
    public static double? Tflops(string name, Precision precision, bool allowsTf32)
    {
        var model = name.Trim();
        foreach (var maker in Makers)
        {
            model = model.StartsWith(maker, StringComparison.OrdinalIgnoreCase) ? model[maker.Length..] : model;
        }

        var rows = Table.Where(row => Begins(model, row.Name)).OrderByDescending(row => row.Name.Length).Take(1).ToArray();
        return rows is not [var found] ? null : precision switch
        {
            Precision.Bf16 => found.Bf16,
            Precision.Fp32 => allowsTf32 ? found.Tf32 : found.Fp32,
            _ => null,
        };
    }

    /// <summary>
    /// Name of the GPUs of this machine, as the driver tells it in a folder for each; null where there are none or of several kinds, since
    /// a process does not see which of them is its own.
    /// </summary>
    /// <param name="folder">Where the driver tells it.</param>
    public static string? NameOfGpus(string folder = "/proc/driver/nvidia/gpus")
    {
        const string Key = "Model:";
        if (!Directory.Exists(folder))
        {
            return null;
        }

        var names = Directory.EnumerateDirectories(folder).Select(gpu => Path.Combine(gpu, "information")).Where(File.Exists)
            .SelectMany(File.ReadLines).Where(line => line.StartsWith(Key, StringComparison.Ordinal)).Select(line => line[Key.Length..].Trim())
            .Distinct().Take(2).ToArray();
        return names is [var name] ? name : null;
    }

    // A10 is no A100, and what is a laptop's or a part of a GPU has another peak.
    private static bool Begins(string model, string name)
        => model.StartsWith(name, StringComparison.OrdinalIgnoreCase)
            && (model.Length == name.Length || !char.IsAsciiLetterOrDigit(model[name.Length]))
            && model[name.Length..].Split([' ', '-'], StringSplitOptions.RemoveEmptyEntries).All(part => MemoryOrForm().IsMatch(part));

    [GeneratedRegex(@"^(?:\d+GB?|HBM\de?|PCIE|SXM\d)$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex MemoryOrForm();
}
