// Measures the way from shards to batches; bench/loader-resume calls it. One JSON line per measurement.
//   generate FOLDER MILLION_TOKENS          two sources of several shards
//   first FOLDER ROW [THREADS]              time from nothing to the first batch at a row of the global order
//   throughput FOLDER [THREADS]             tokens per second that batches come at when nobody trains
//   count FOLDER [THREADS]                  time to count rows for padding, and to read the counts the next time
// bench/long-documents calls these:
//   cut FOLDER PACKS MEGABYTES HELD_OUT     text of .NET's XML documentation in short documents, a library of it apart
//   join FOLDER TOKENIZER MOST_TOKENS       the same text in long ones
using System.Diagnostics;
using System.Globalization;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using LoaderBenchmark;

const int Vocabulary = 50_000;
const int Context = 1024;
const int GlobalBatch = 10;

var most = args is ["cut", ..] ? 5 : 4;
if (args.Length < 2 || args.Length > most || (args[0] is "cut" or "join" && args.Length < most))
{
    Console.Error.WriteLine("found other arguments; wanted generate FOLDER MILLION_TOKENS | first FOLDER ROW [THREADS] | throughput FOLDER [THREADS] | "
        + "count FOLDER [THREADS] | cut FOLDER PACKS MEGABYTES HELD_OUT | join FOLDER TOKENIZER MOST_TOKENS");
    return 2;
}

var folder = args[1];
switch (args[0])
{
    case "generate":
        Generate(folder, long.Parse(args[2], CultureInfo.InvariantCulture) * 1_000_000);
        return 0;
    case "first":
        First(long.Parse(args[2], CultureInfo.InvariantCulture), Threads(3));
        return 0;
    case "throughput":
        Throughput(Threads(2));
        return 0;
    case "count":
        Count(Threads(2));
        return 0;
    case "cut":
        DocumentationCorpus.Cut(folder, args[2], long.Parse(args[3], CultureInfo.InvariantCulture) * 1_000_000, args[4]);
        return 0;
    case "join":
        var (files, longest) = DocumentationCorpus.Join(folder, args[2], int.Parse(args[3], CultureInfo.InvariantCulture));
        Print(FormattableString.Invariant($"\"files\": {files}, \"longest_tokens\": {longest}"));
        return 0;
    default:
        Console.Error.WriteLine($"found {args[0]}; wanted generate, first, throughput, count, cut or join");
        return 2;
}

int Threads(int place) => args.Length > place ? int.Parse(args[place], CultureInfo.InvariantCulture) : new DataConfig().ReaderThreads;

DataConfig Configuration(int threads) => new()
{
    Train = [new DataSource(Path.Combine(folder, "large-*.parquet"), 0.7), new DataSource(Path.Combine(folder, "small-*.parquet"), 0.3)],
    Context = Context,
    GlobalBatch = GlobalBatch,
    MicroBatch = GlobalBatch,
    ReaderThreads = threads,
};

void First(long row, int threads)
{
    var config = Configuration(threads);
    var started = Stopwatch.GetTimestamp();
    var catalog = ShardCatalog.Open(config.Train);
    var opened = Stopwatch.GetElapsedTime(started).TotalSeconds;
    using var batches = new TrainingBatches(catalog, config, seed: 1, Vocabulary, DataShare.Whole, firstStep: row / GlobalBatch);
    using var batch = batches.Next();
    var first = Stopwatch.GetElapsedTime(started).TotalSeconds;
    Print(FormattableString.Invariant(
        $"\"row\": {row}, \"open_seconds\": {opened:F4}, \"first_batch_seconds\": {first:F4}, \"tokens\": {catalog.TokenCount}"));
}

void Throughput(int threads)
{
    // 100 million tokens, after as many to warm up.
    const int Steps = 10_000;
    var config = Configuration(threads);
    using var batches = new TrainingBatches(ShardCatalog.Open(config.Train), config, seed: 1, Vocabulary, DataShare.Whole);
    var (started, allocated, waited, processor) = (0L, 0L, 0.0, TimeSpan.Zero);
    using var process = Process.GetCurrentProcess();
    for (var step = 0; step < 2 * Steps; step++)
    {
        if (step == Steps)
        {
            process.Refresh();
            (started, allocated, waited, processor) = (
                Stopwatch.GetTimestamp(), GC.GetTotalAllocatedBytes(precise: true), batches.WaitSeconds, process.TotalProcessorTime);
        }

        using var batch = batches.Next();
    }

    var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
    var bytes = GC.GetTotalAllocatedBytes(precise: true) - allocated;
    process.Refresh();
    var tokens = (double)Steps * GlobalBatch * Context;
    Print(FormattableString.Invariant(
        $"\"threads\": {threads}, \"tokens_per_second\": {tokens / seconds:F0}, \"tokens_per_processor_second\": {tokens / (process.TotalProcessorTime - processor).TotalSeconds:F0}, \"wait_fraction\": {(batches.WaitSeconds - waited) / seconds:F3}, \"allocated_bytes_per_batch\": {bytes / Steps}"));
}

void Count(int threads)
{
    var file = Path.Combine(folder, "counts.json");
    File.Delete(file);
    var seconds = new double[2];
    for (var launch = 0; launch < 2; launch++)
    {
        var started = Stopwatch.GetTimestamp();
        ShardCatalog.Open(Configuration(threads).Train, new CountingOptions { PaddedContext = Context, File = file, Threads = threads });
        seconds[launch] = Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    Print(FormattableString.Invariant($"\"threads\": {threads}, \"count_seconds\": {seconds[0]:F3}, \"again_seconds\": {seconds[1]:F3}"));
}

void Print(string fields)
{
    using var process = Process.GetCurrentProcess();
    Console.WriteLine(FormattableString.Invariant($"{{{fields}, \"peak_memory_mebibytes\": {process.PeakWorkingSet64 >> 20}}}"));
}

static void Generate(string folder, long tokens)
{
    Directory.CreateDirectory(folder);
    Write("large", tokens * 3 / 4, 11);
    Write("small", tokens / 4, 4);

    void Write(string name, long sourceTokens, int shards)
    {
        for (var shard = 0; shard < shards; shard++)
        {
            var random = new Random(HashCode.Combine(shards, shard) & int.MaxValue);
            using var writer = new TokenShardWriter(
                Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{name}-{shard:D3}.parquet")),
                new ShardWriterOptions { TokenizerHash = "generated", VocabularySize = Vocabulary });
            var document = new int[3000];
            while (writer.TokenCount < sourceTokens / shards)
            {
                // Many short documents and some long ones; small ids are frequent, as those of a tokenizer are.
                var length = (int)(document.Length * Math.Pow(random.NextDouble(), 3));
                for (var i = 0; i < length; i++)
                {
                    var uniform = random.NextDouble();
                    document[i] = (int)(Vocabulary * uniform * uniform * uniform);
                }

                writer.Append(document.AsSpan(0, length));
            }

            writer.Complete();
        }
    }
}
