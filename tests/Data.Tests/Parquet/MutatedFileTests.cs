using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using KvShiftScale.Data.Shards;
using Parquet;
using Xunit.Abstractions;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>
/// Real files, damaged at random, read the way <c>data verify</c> reads: they are refused with a message that says where, or read. Another
/// process does it, whose end is a finding like any other. How many files is for <c>KVSHIFT_FUZZ_COUNT</c>; <c>bench/fuzz-parquet</c> runs 20,000.
/// </summary>
public sealed class MutatedFileTests(ForeignMatrix matrix, ITestOutputHelper output) : IClassFixture<ForeignMatrix>
{
    private const int UsualCount = 1500;

    // Of one file; others may hold the cores.
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(2);

    [Fact]
    public void AMutatedFileIsRefusedWithItsPlaceOrRead()
    {
        using var folder = new TemporaryFolder();
        var seeds = Directory.CreateDirectory(folder.File("seeds")).FullName;
        WriteSeeds(seeds);
        var count = int.Parse(Environment.GetEnvironmentVariable("KVSHIFT_FUZZ_COUNT") ?? $"{UsualCount}", CultureInfo.InvariantCulture);
        var first = int.Parse(Environment.GetEnvironmentVariable("KVSHIFT_FUZZ_FIRST") ?? "0", CultureInfo.InvariantCulture);
        var faults = new List<string>();
        var read = 0;
        for (var next = first; next < first + count && faults.Count < 10;)
        {
            var (exitCode, reached, lines) = Run(seeds, next, first + count - next, folder.File(""));
            foreach (var line in lines.Select(text => JsonDocument.Parse(text).RootElement))
            {
                if (line.TryGetProperty("fault", out var fault))
                {
                    faults.Add(fault.GetString()!);
                }
                else
                {
                    read += line.GetProperty("read").GetInt32();
                    Report(line);
                }
            }

            if (exitCode is not 0)
            {
                faults.Add($"seed {reached}: {(exitCode is null ? "hangs" : $"ends the process with {exitCode}")}");
            }

            next = exitCode == 0 ? first + count : reached + 1;
        }

        Assert.True(faults.Count == 0, string.Join("\n", faults));
        Assert.InRange(read, 1, count - 1);
    }

    private (int? ExitCode, int Reached, List<string> Lines) Run(string seeds, int first, int count, string work)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])[Path.Combine(AppContext.BaseDirectory, "KvShiftScale.DamageProgram.dll"), seeds, $"{first}", $"{count}", work])
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        var lines = new List<string>();
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data is { Length: > 0 } text)
            {
                lines.Add(text);
            }
        };
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is { Length: > 0 } text)
            {
                output.WriteLine(text);
            }
        };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        var (reached, since) = (first - 1, Stopwatch.StartNew());
        while (!process.WaitForExit(500) && since.Elapsed < Hang)
        {
            if (Seed(work, first) is var seed && seed != reached)
            {
                (reached, since) = (seed, Stopwatch.StartNew());
            }
        }

        var hangs = !process.HasExited;
        if (hangs)
        {
            process.Kill();
        }

        // Until the last line has come.
        process.WaitForExit();
        return (hangs ? null : process.ExitCode, Seed(work, first), lines);
    }

    private static int Seed(string work, int first)
    {
        var path = Path.Combine(work, "seed");
        using var file = File.Exists(path) ? File.Open(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite) : null;
        var bytes = new byte[sizeof(int)];
        return file is not null && file.Read(bytes) == bytes.Length ? BitConverter.ToInt32(bytes) : first;
    }

    private void Report(JsonElement line)
    {
        output.WriteLine(FormattableString.Invariant(
            $"{line.GetProperty("files").GetInt32()} files, {line.GetProperty("read").GetInt32()} of them read; slowest {line.GetProperty("slowest_ms").GetDouble():F0} ms, largest allocation {line.GetProperty("largest_allocation").GetInt64() / 1048576.0:F1} MiB, {line.GetProperty("resident_kib").GetInt64() / 1024} MiB at most resident"));
        foreach (var message in line.GetProperty("messages").EnumerateObject().OrderByDescending(entry => entry.Value.GetInt32()).Take(40))
        {
            output.WriteLine($"{message.Value.GetInt32(),7} {message.Name}");
        }
    }

    // Every eighth foreign file, which is every kind of them, those with odd footers, and files with checksums.
    private void WriteSeeds(string folder)
    {
        string[] others = ["arrow-v1groups-zstd", "arrow-v2fallback-brotli", "duckdb-v1dictionary-snappy", "hyparquet-bare-snappy", "arrow-v1plain-gzip"];
        var names = matrix.Expected.Keys.Order(StringComparer.Ordinal).Where((_, index) => index % 8 == 0).Select(matrix.PathOf);
        foreach (var (path, index) in names.Concat(others.Select(ForeignFile.PathOf)).Select((path, index) => (path, index)))
        {
            File.Copy(path, Path.Combine(folder, $"{index:000}.parquet"));
        }

        WriteOwnFiles(folder);
    }

    // With their checksums, and with none, so that the package sees the damage.
    private static void WriteOwnFiles(string folder)
    {
        foreach (var (compression, encoding) in new[]
        {
            (CompressionMethod.None, EncodingHint.Default), (CompressionMethod.Zstd, EncodingHint.DeltaBinaryPacked),
            (CompressionMethod.Snappy, EncodingHint.DeltaBinaryPacked), (CompressionMethod.Lz4Raw, EncodingHint.Default),
        })
        {
            var path = Path.Combine(folder, $"own-{compression}-{encoding}.parquet");
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

            var content = File.ReadAllBytes(path);
            var key = System.Text.Encoding.ASCII.GetBytes(TokenShard.ChecksumsKey);
            content.AsSpan(content.AsSpan().IndexOf(key), key.Length).Fill((byte)'x');
            File.WriteAllBytes(Path.Combine(folder, $"unchecked-{compression}-{encoding}.parquet"), content);
        }
    }
}
