using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using KvShiftScale.Data.Shards;
using Parquet;
using Xunit.Abstractions;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>
/// Real files, damaged at random, read the way <c>data verify</c> reads: they are refused with a message that says where, or read. How
/// many is for <c>KVSHIFT_FUZZ_COUNT</c>; <c>bench/fuzz-parquet</c> runs 20,000.
/// </summary>
public sealed partial class MutatedFileTests(ForeignMatrix matrix, ITestOutputHelper output) : IClassFixture<ForeignMatrix>
{
    private const int UsualCount = 1500;
    private const long LargestAllocation = 64L << 20;

    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(2);

    [Fact]
    public void AMutatedFileIsRefusedWithItsPlaceOrRead()
    {
        using var folder = new TemporaryFolder();
        var files = Seeds(folder);
        var count = int.Parse(Environment.GetEnvironmentVariable("KVSHIFT_FUZZ_COUNT") ?? $"{UsualCount}", CultureInfo.InvariantCulture);
        var first = int.Parse(Environment.GetEnvironmentVariable("KVSHIFT_FUZZ_FIRST") ?? "0", CultureInfo.InvariantCulture);
        var path = folder.File("mutated.parquet");
        var (read, slowest, largest) = (0, TimeSpan.Zero, 0L);
        var messages = new Dictionary<string, int>();
        var faults = new List<string>();

        // Compile before the first file is timed.
        ShardVerification.Read(Write(path, files[0]));
        for (var seed = first; seed < first + count; seed++)
        {
            var mutation = new FileMutation(seed);
            Write(path, mutation.Apply(files[seed % files.Count], files[(seed * 7) % files.Count]));
            var allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
            var watch = Stopwatch.StartNew();
            var fault = Read(path, messages, ref read);
            var (elapsed, allocated) = (watch.Elapsed, GC.GetAllocatedBytesForCurrentThread() - allocatedBefore);
            // Work of others may hold the cores for seconds: of three readings the fastest counts.
            for (var again = 0; again < 2 && elapsed > Longest; again++)
            {
                var uncounted = 0;
                watch.Restart();
                Read(path, [], ref uncounted);
                elapsed = watch.Elapsed < elapsed ? watch.Elapsed : elapsed;
            }

            slowest = elapsed > slowest ? elapsed : slowest;
            largest = Math.Max(largest, allocated);
            fault ??= elapsed > Longest ? $"took {elapsed}" : allocated > LargestAllocation ? $"allocated {allocated} bytes" : null;
            if (fault is not null)
            {
                faults.Add($"seed {seed} ({mutation.Description}): {fault}");
            }
        }

        output.WriteLine(FormattableString.Invariant(
            $"{count} files, {read} of them read; slowest {slowest.TotalMilliseconds:F0} ms, largest allocation {largest / 1048576.0:F1} MiB"));
        output.WriteLine($"{PeakMemory()} at most resident");
        foreach (var (message, times) in messages.OrderByDescending(entry => entry.Value).Take(25))
        {
            output.WriteLine($"{times,7} {message}");
        }

        Assert.True(faults.Count == 0, string.Join("\n", faults.Take(10)));
        Assert.InRange(read, 1, count - 1);
    }

    [Fact]
    public void AFlippedBitInAPageWithAChecksumIsFound()
    {
        using var folder = new TemporaryFolder();
        foreach (var file in OwnFiles(folder))
        {
            var path = folder.File("flipped.parquet");
            var expected = ShardVerification.Read(Write(path, file));
            var footer = file.Length - 8 - BitConverter.ToInt32(file, file.Length - 8);
            var random = new Random(footer);
            for (var i = 0; i < 100; i++)
            {
                var position = random.Next(4, footer);
                file[position] ^= (byte)(1 << (i % 8));
                Write(path, file);
                try
                {
                    Assert.Equal(expected, ShardVerification.Read(path));
                }
                catch (InvalidDataException exception)
                {
                    Assert.Matches(Place(), exception.Message);
                }

                file[position] ^= (byte)(1 << (i % 8));
            }
        }
    }

    // Every eighth foreign file, which is every kind of them, those with odd footers, and files with checksums.
    private List<byte[]> Seeds(TemporaryFolder folder)
    {
        string[] others = ["arrow-v1groups-zstd", "arrow-v2fallback-brotli", "duckdb-v1dictionary-snappy", "hyparquet-bare-snappy", "arrow-v1plain-gzip"];
        var names = matrix.Expected.Keys.Order(StringComparer.Ordinal).Where((_, index) => index % 8 == 0).Select(matrix.PathOf);
        return [.. OwnFiles(folder), .. names.Concat(others.Select(ForeignFile.PathOf)).Select(File.ReadAllBytes)];
    }

    private static IEnumerable<byte[]> OwnFiles(TemporaryFolder folder)
    {
        foreach (var (compression, encoding) in new[]
        {
            (CompressionMethod.None, EncodingHint.Default), (CompressionMethod.Zstd, EncodingHint.Dictionary),
            (CompressionMethod.Snappy, EncodingHint.DeltaBinaryPacked), (CompressionMethod.Lz4Raw, EncodingHint.Default),
        })
        {
            var path = folder.File("own.parquet");
            using (var writer = new TokenShardWriter(path, new ShardWriterOptions
            {
                TokenizerHash = "none",
                VocabularySize = 5000,
                RowGroupTokens = 700,
                Compression = compression,
                Encoding = encoding,
            }))
            {
                foreach (var document in DocumentFormula.Documents(300, mayBeNull: false))
                {
                    writer.Append(document);
                }

                writer.Complete();
            }

            yield return File.ReadAllBytes(path);
        }
    }

    /// <returns>What is wrong with the way in which the file was treated; null when nothing is.</returns>
    private static string? Read(string path, Dictionary<string, int> messages, ref int read)
    {
        try
        {
            ShardVerification.Read(path);
            read++;
            return null;
        }
        catch (InvalidDataException exception)
        {
            var kind = Numbers().Replace(exception.Message.Replace(path, "", StringComparison.Ordinal), "#");
            messages[kind] = messages.GetValueOrDefault(kind) + 1;
            return exception.Message.StartsWith(path, StringComparison.Ordinal) && Place().IsMatch(exception.Message)
                ? null
                : $"a message without a place: {exception.Message}";
        }
        catch (Exception exception)
        {
            return exception.ToString();
        }
    }

    private static string Write(string path, byte[] content)
    {
        File.WriteAllBytes(path, content);
        return path;
    }

    private static string PeakMemory() => File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith("VmHWM", StringComparison.Ordinal)) ?? "";

    // Row group, column and byte; or the footer or an end of the file, of which there is one; or the schema or the metadata as a whole.
    [GeneratedRegex(@"row group \d+(:|,).*column .* at byte \d+|are no complete Parquet file|there is no column input_ids|column input_ids (\(leaf|holds)|file metadata ",
        RegexOptions.Singleline)]
    private static partial Regex Place();

    [GeneratedRegex(@"-?\d+|\b[0-9a-fA-F]{6,8}\b|\b(FF|[0-9A-F]{2}){3,4}\b")]
    private static partial Regex Numbers();
}
