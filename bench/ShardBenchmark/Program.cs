// Reads token shards with one thread and reports tokens per second and managed bytes per row group; compare-duckdb runs it.
//   ShardBenchmark write FILE --compression zstd --encoding default --tokens 20000000    a shard of Zipf-like ids
//   ShardBenchmark read FILE --passes 3                               one JSON line
//   ShardBenchmark samples FOLDER                                     a small shard in every form that we write, and sums.json
using System.Diagnostics;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using KvShiftScale.Data.Shards;
using Parquet;

const int Vocabulary = 50_257;
const int LongestDocument = 2000;

if (args is not ["write" or "read" or "samples", var path, ..])
{
    Console.Error.WriteLine(
        "wanted: ShardBenchmark write FILE [--compression zstd] [--encoding default] [--tokens N] | read FILE [--passes N] | samples FOLDER");
    return 2;
}

var options = args[2..].Chunk(2).ToDictionary(pair => pair[0], pair => pair[^1]);
if (args[0] == "write")
{
    Write(path, Choice("--compression", CompressionMethod.Zstd), Choice("--encoding", EncodingHint.DeltaBinaryPacked), Number("--tokens", 20_000_000));
    return 0;
}

if (args[0] == "samples")
{
    WriteSamples(path);
    return 0;
}

Console.WriteLine(JsonSerializer.Serialize(Read(path, (int)Number("--passes", 3))));
return 0;

long Number(string name, long fallback)
    => options.TryGetValue(name, out var text) ? long.Parse(text, CultureInfo.InvariantCulture) : fallback;

T Choice<T>(string name, T fallback) where T : struct, Enum
    => options.TryGetValue(name, out var text) ? Enum.Parse<T>(text, ignoreCase: true) : fallback;

// Rank r has a probability of about 1 / r, as words have, and the ids of frequent words are not the lowest ones.
static void Write(string path, CompressionMethod compression, EncodingHint encoding, long tokens)
{
    using var writer = new TokenShardWriter(path, new ShardWriterOptions
    {
        TokenizerHash = "benchmark",
        VocabularySize = Vocabulary,
        Compression = compression,
        Encoding = encoding,
    });
    var random = new Random(1);
    var document = new int[LongestDocument];
    while (writer.TokenCount < tokens)
    {
        var length = random.Next(LongestDocument + 1);
        for (var i = 0; i < length; i++)
        {
            var rank = (long)Math.Pow(Vocabulary, random.NextDouble()) - 1;
            document[i] = (int)(rank * 7919 % Vocabulary);
        }

        writer.Append(document.AsSpan(0, length));
    }

    writer.Complete();
}

// Documents of 0 to 400 tokens over the whole vocabulary, in several row groups; the sums are computed from the documents.
static void WriteSamples(string folder)
{
    Directory.CreateDirectory(folder);
    var sums = new Dictionary<string, object>();
    CompressionMethod[] compressions =
        [CompressionMethod.None, CompressionMethod.Snappy, CompressionMethod.Gzip, CompressionMethod.Brotli, CompressionMethod.Zstd, CompressionMethod.Lz4Raw];
    EncodingHint[] encodings = [EncodingHint.Default, EncodingHint.DeltaBinaryPacked];
    foreach (var (compression, encoding) in compressions.SelectMany(c => encodings.Select(e => (c, e))))
    {
        var random = new Random(7);
        var name = $"{compression}-{encoding}.parquet";
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var writer = new TokenShardWriter(Path.Combine(folder, name), new ShardWriterOptions
        {
            TokenizerHash = "samples",
            VocabularySize = Vocabulary,
            Compression = compression,
            Encoding = encoding,
            RowGroupTokens = 50_000,
        });
        for (var document = 0; document < 1000; document++)
        {
            int[] ids = [.. Enumerable.Range(0, document % 7 == 0 ? 0 : random.Next(401)).Select(_ => random.Next(Vocabulary))];
            writer.Append(ids);
            hash.AppendData(BitConverter.GetBytes(ids.Length));
            hash.AppendData(MemoryMarshal.AsBytes<int>(ids));
        }

        sums[name] = new { rows = writer.DocumentCount, tokens = writer.TokenCount, sha256 = Convert.ToHexStringLower(hash.GetHashAndReset()) };
        writer.Complete();
    }

    File.WriteAllText(Path.Combine(folder, "sums.json"), JsonSerializer.Serialize(sums));
}

static Dictionary<string, object> Read(string path, int passes)
{
    var group = new DocumentGroup();
    var rates = new List<double>();
    var cpuRates = new List<double>();
    long sum = 0, tokens = 0, rowGroups = 0;
    for (var pass = 0; pass <= passes; pass++)
    {
        (sum, tokens, rowGroups) = (0, 0, 0);
        var watch = Stopwatch.StartNew();
        var before = CpuTime();
        using var shard = TokenShard.Open(path);
        for (; rowGroups < shard.RowGroupCount; rowGroups++)
        {
            shard.ReadRowGroup((int)rowGroups, group);
            sum += Sum(group.Ids);
            tokens += group.TokenCount;
        }

        // The first pass compiles.
        if (pass > 0)
        {
            rates.Add(tokens / watch.Elapsed.TotalSeconds);
            cpuRates.Add(tokens / (CpuTime() - before).TotalSeconds);
        }
    }

    using var warm = TokenShard.Open(path);
    ReadAll(warm, group);
    var allocatedBefore = GC.GetTotalAllocatedBytes(precise: true);
    ReadAll(warm, group);
    var allocated = GC.GetTotalAllocatedBytes(precise: true) - allocatedBefore;
    rates.Sort();
    cpuRates.Sort();
    return new()
    {
        ["tokens_per_second"] = Math.Round(rates[rates.Count / 2]),
        ["tokens_per_cpu_second"] = Math.Round(cpuRates[cpuRates.Count / 2]),
        ["tokens"] = tokens,
        ["sum"] = sum,
        ["row_groups"] = rowGroups,
        ["allocated_bytes_per_row_group"] = (double)allocated / rowGroups,
    };
}

// Of the whole process: with one thread it says more than the clock where others use the cores as well.
static TimeSpan CpuTime() => Process.GetCurrentProcess().TotalProcessorTime;

static void ReadAll(TokenShard shard, DocumentGroup group)
{
    for (var index = 0; index < shard.RowGroupCount; index++)
    {
        shard.ReadRowGroup(index, group);
    }
}

static long Sum(ReadOnlySpan<int> ids)
{
    var total = Vector<long>.Zero;
    var vectors = MemoryMarshal.Cast<int, Vector<int>>(ids);
    foreach (var vector in vectors)
    {
        Vector.Widen(vector, out var low, out var high);
        total += low + high;
    }

    var sum = Vector.Sum(total);
    foreach (var id in ids[(vectors.Length * Vector<int>.Count)..])
    {
        sum += id;
    }

    return sum;
}
