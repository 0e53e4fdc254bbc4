using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using KvShiftScale.Core;
using KvShiftScale.Core.Text;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Native;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Reporting;
using KvShiftScale.Trainer.Training;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Diagnosis;

/// <summary>What this process finds on its machine without any other rank: versions, processors, memory, limits, libraries.</summary>
internal static class MachineDiagnosis
{
    // What a rank opens at once: shards, checkpoints of many slices, sockets of MPI.
    private const long WantedOpenFiles = 4096;

    // Shared memory carries the sums of ranks of one machine.
    private const long WantedSharedMemoryBytes = 1L << 30;

    private const string SharedMemory = "/dev/shm";

    /// <summary>Everything, in the order in which one would ask.</summary>
    public static IReadOnlyList<Finding> Look()
    {
        var findings = new List<Finding>
        {
            new("program", ProgramVersion()),
            new("system", $"{OsName()}, {RuntimeInformation.OSDescription.Trim()}, {RuntimeInformation.FrameworkDescription}"),
            Processors(),
            Memory(),
            SharedMemorySpace(),
            OpenFiles(),
        };
        var torch = Loaded("libtorch", () => Version(TensorLibrary.Load()));
        findings.Add(torch);
        findings.Add(Loaded("libkvshift", KernelVersion));
        findings.AddRange(Mpis());
        findings.Add(new("gpu", NativeLibrary.TryLoad("libcuda.so.1", out _)
            ? "driver found (libcuda.so.1); this version trains on CPU ranks and leaves it alone" : "no driver (looked for libcuda.so.1); ranks train on the CPU"));
        if (!findings.Exists(finding => finding.StopsTraining))
        {
            findings.Add(Products());
        }

        return findings;
    }

    private static string ProgramVersion()
        => typeof(MachineDiagnosis).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion is { } version ? $"kvshift {version}" : "kvshift";

    private static string OsName()
    {
        const string Release = "/etc/os-release";
        const string Key = "PRETTY_NAME=";
        var line = File.Exists(Release) ? File.ReadLines(Release).FirstOrDefault(line => line.StartsWith(Key, StringComparison.Ordinal)) : null;
        return line is null ? RuntimeInformation.RuntimeIdentifier : line[Key.Length..].Trim('"');
    }

    private static Finding Processors()
    {
        const string Information = "/proc/cpuinfo";
        var text = File.Exists(Information) ? File.ReadAllText(Information) : "";
        var name = RunEnvironment.ProcessorOf(text) ?? RuntimeInformation.ProcessArchitecture.ToString();
        string[] wanted = ["avx2", "avx512f", "avx512_bf16", "amx_bf16"];
        var flags = text.Split('\n').FirstOrDefault(line => line.StartsWith("flags", StringComparison.Ordinal))?.Split(' ') ?? [];
        var has = wanted.Where(flags.Contains).ToList();
        return new("processors", Quantity.Format($"{Environment.ProcessorCount} of {name}{(has.Count > 0 ? $" ({string.Join(", ", has)})" : "")}"),
            flags.Length == 0 || flags.Contains("avx2") ? null : "kernels run, slowly: they are written for AVX2 and AVX-512");
    }

    private static Finding Memory() => new("memory", $"{Quantity.Bytes(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)} for this process, {Quantity.Bytes((long)MachineRules.MemoryBytes)} with swap");

    private static Finding SharedMemorySpace()
    {
        if (!Directory.Exists(SharedMemory))
        {
            return new("shared memory", $"no {SharedMemory}", "ranks of one machine talk through MPI alone, slower; mount a tmpfs there");
        }

        var free = new DriveInfo(SharedMemory).AvailableFreeSpace;
        return new("shared memory", $"{Quantity.Bytes(free)} free in {SharedMemory}", free >= WantedSharedMemoryBytes ? null
            : "gradients of several ranks may not find room, and sums then go through MPI, slower; docker run --shm-size=8g, or a larger tmpfs");
    }

    private static Finding OpenFiles()
    {
        const string Limits = "/proc/self/limits";
        var line = File.Exists(Limits) ? File.ReadLines(Limits).FirstOrDefault(line => line.StartsWith("Max open files", StringComparison.Ordinal)) : null;
        var soft = line?.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, _, _, var limit, ..] ? limit : "unknown";
        return new("open files", $"at most {soft}", long.TryParse(soft, CultureInfo.InvariantCulture, out var number) && number < WantedOpenFiles
            ? $"data of many shards may not open; ulimit -n {WantedOpenFiles}, or more" : null);
    }

    private static Finding Loaded(string subject, Func<string> load)
    {
        try
        {
            return new(subject, load());
        }
        catch (UsageException fault)
        {
            return new(subject, fault.Message, "./launch/setup", StopsTraining: true);
        }
    }

    private static string Version(string folder) => $"{__version__} from {folder}, {get_num_threads()} threads";

    private static string KernelVersion() => $"{HostKernels.InstructionSet} kernels of {KvShiftLibrary.Folder}";

    private static IEnumerable<Finding> Mpis()
    {
        var built = MpiLibrary.BuiltIn(KvShiftLibrary.Folder);
        foreach (var flavor in Enum.GetValues<MpiFlavor>())
        {
            string? launcher;
            try
            {
                launcher = MpiLauncher.Find(flavor).Program;
            }
            catch (KvShiftLibraryException)
            {
                launcher = null;
            }

            var isBuilt = built.Contains(flavor);
            var (text, remedy) = (launcher, isBuilt) switch
            {
                (null, false) => ("not installed", null),
                (null, true) => ("built for, no mpirun in PATH", "one process trains; for more put its mpirun into PATH"),
                ({ } program, false) => ($"{program}, not built for", "./launch/setup, with its headers installed, builds for it"),
                ({ } program, true) => ($"{program}, built for", (string?)null),
            };
            yield return new(flavor.Title, text, remedy);
        }

        if (built.Count == 0)
        {
            yield return new("MPI", "none", $"one process trains; for more install {MpiFlavor.OpenMpi.Package} and run ./launch/setup");
        }
    }

    // What a step can at most reach, by the kernels of this machine.
    private static Finding Products()
    {
        var rates = new[] { ScalarType.Float32, ScalarType.BFloat16 }.Select(type
            => $"{Quantity.Short(BestRate.MeasureProduct(ComputeDevice.Host(type).Kernels, CPU))}FLOP/s in {(type == ScalarType.Float32 ? "fp32" : "bf16")}");
        return new("matrix product", $"{string.Join(", ", rates)} (1,024 cubed, {get_num_threads()} threads)");
    }
}
