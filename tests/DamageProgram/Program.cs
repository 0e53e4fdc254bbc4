using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.DamageProgram;

/// <summary>
/// Damages real files at random and reads them the way <c>data verify</c> does. What it finds goes to standard output, a line of JSON a
/// fault and one at the end; the file it is at is named on the disk, for whoever sees the program die or hang.
/// </summary>
internal static partial class Program
{
    private const long LargestAllocation = 64L << 20;

    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(2);

    /// <param name="args">Folder of good files, first seed, number of seeds, a folder to work in.</param>
    private static int Main(string[] args)
    {
        var (first, count, work) = (Number(args[1]), Number(args[2]), args[3]);
        byte[][] files = [.. Directory.GetFiles(args[0]).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];
        var path = Path.Combine(work, "mutated.parquet");
        var findings = new Findings();
        using var progress = File.OpenHandle(Path.Combine(work, "seed"), FileMode.Create, FileAccess.Write, FileShare.Read);

        // Compile before the first file is timed.
        File.WriteAllBytes(path, files[0]);
        ShardVerification.Read(path);
        for (var seed = first; seed < first + count; seed++)
        {
            RandomAccess.Write(progress, BitConverter.GetBytes(seed), 0);
            var mutation = new FileMutation(seed);
            File.WriteAllBytes(path, mutation.Apply(files[seed % files.Length], files[(int)(seed * 7L % files.Length)]));
            if (findings.Judge(path) is { } fault)
            {
                Console.WriteLine(JsonSerializer.Serialize(new { fault = $"seed {seed} ({mutation.Description}): {fault}" }));
            }
        }

        Console.WriteLine(JsonSerializer.Serialize(new
        {
            files = count,
            read = findings.Read,
            slowest_ms = findings.Slowest.TotalMilliseconds,
            largest_allocation = findings.LargestAllocated,
            resident_kib = PeakMemory(),
            messages = findings.Messages,
        }));
        return 0;
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static long PeakMemory()
    {
        var line = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM", StringComparison.Ordinal));
        return long.Parse(Digits().Match(line).Value, CultureInfo.InvariantCulture);
    }

    // Row group, column and byte; or the footer or an end of the file, of which there is one; or the schema or the metadata as a whole.
    [GeneratedRegex(@"row group \d+(:|,).*column .* at byte \d+|are no complete Parquet file|there is no column input_ids|column input_ids (\(leaf|holds)|file metadata ",
        RegexOptions.Singleline)]
    private static partial Regex Place();

    [GeneratedRegex(@"-?\d+|\b[0-9a-fA-F]{6,8}\b|\b(FF|[0-9A-F]{2}){3,4}\b")]
    private static partial Regex Numbers();

    [GeneratedRegex(@"\d+")]
    private static partial Regex Digits();

    private sealed class Findings
    {
        public int Read { get; private set; }

        public TimeSpan Slowest { get; private set; }

        public long LargestAllocated { get; private set; }

        public Dictionary<string, int> Messages { get; } = [];

        /// <returns>What is wrong with the way in which a file was treated; null when nothing is.</returns>
        public string? Judge(string path)
        {
            var allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
            var watch = Stopwatch.StartNew();
            var outcome = Verify(path);
            var (elapsed, allocated) = (watch.Elapsed, GC.GetAllocatedBytesForCurrentThread() - allocatedBefore);

            // Work of others may hold the cores for seconds: of three readings the fastest counts.
            for (var again = 0; again < 2 && elapsed > Longest; again++)
            {
                watch.Restart();
                Verify(path);
                elapsed = watch.Elapsed < elapsed ? watch.Elapsed : elapsed;
            }

            Slowest = elapsed > Slowest ? elapsed : Slowest;
            LargestAllocated = Math.Max(LargestAllocated, allocated);
            Read += outcome is null ? 1 : 0;
            return elapsed > Longest ? $"took {elapsed}"
                : allocated > LargestAllocation ? $"allocated {allocated} bytes"
                : outcome is InvalidDataException refusal ? JudgeMessage(path, refusal.Message) : outcome?.ToString();
        }

        private static Exception? Verify(string path)
        {
            try
            {
                ShardVerification.Read(path);
                return null;
            }
            catch (Exception exception)
            {
                // Whatever it is, it is looked at.
                return exception;
            }
        }

        private string? JudgeMessage(string path, string message)
        {
            var kind = Numbers().Replace(message.Replace(path, "", StringComparison.Ordinal), "#");
            Messages[kind] = Messages.GetValueOrDefault(kind) + 1;
            return message.StartsWith(path, StringComparison.Ordinal) && Place().IsMatch(message) ? null : $"a message without a place: {message}";
        }
    }
}
