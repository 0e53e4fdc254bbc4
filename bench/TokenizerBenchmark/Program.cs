using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Data.Tokenization.Files;
using KvShiftScale.Data.Tokenization.Training;

// Encodes a corpus that bench/tokenizers/corpus.mjs has written, and prints one line of JSON:
//   encode TOKENIZER CORPUS --threads N [--ids FILE]          MB/s of each pass, also by processor time; the ids, if wanted
//   train CORPUS --vocab-size N --threads N [--output DIR]    seconds of each pass
//   long TOKENIZER                                            seconds for texts without a word break, of 1/4, 1/2, 1, 2 and 4 MiB
// each with --warmup N passes that do not count before --passes N that do.
var positional = args.TakeWhile(argument => !argument.StartsWith("--", StringComparison.Ordinal)).ToArray();
var options = args.Skip(positional.Length).Chunk(2).ToDictionary(pair => pair[0], pair => pair[1]);
var threads = Number("--threads", 1);
var warmup = Number("--warmup", 0);
var passes = warmup + Number("--passes", 5);
switch (positional[0])
{
    case "encode":
        Encode(TokenizerModel.Load(positional[1]), ReadCorpus(positional[2]));
        break;
    case "train":
        Train(ReadCorpus(positional[1]));
        break;
    case "long":
        EncodeLongPieces(TokenizerModel.Load(positional[1]));
        break;
}

int Number(string name, int absent) => options.TryGetValue(name, out var value) ? int.Parse(value, CultureInfo.InvariantCulture) : absent;

static string Join(IEnumerable<double> values) => string.Join(", ", values.Select(value => value.ToString("G5", CultureInfo.InvariantCulture)));

// Documents of raw bytes, each after its length as four bytes. What is not UTF-8 is replaced here, as the peer does when it reads.
static (string[] Documents, long Bytes) ReadCorpus(string path)
{
    var content = File.ReadAllBytes(path).AsSpan();
    var documents = new List<string>();
    var bytes = 0L;
    while (!content.IsEmpty)
    {
        var length = BinaryPrimitives.ReadInt32LittleEndian(content);
        documents.Add(Encoding.UTF8.GetString(content.Slice(4, length)));
        bytes += Encoding.UTF8.GetByteCount(documents[^1]);
        content = content[(4 + length)..];
    }

    return ([.. documents], bytes);
}

void Encode(TokenizerModel tokenizer, (string[] Documents, long Bytes) corpus)
{
    var results = new List<int>[corpus.Documents.Length];
    for (var i = 0; i < results.Length; i++)
    {
        results[i] = [];
    }

    var rates = new List<double>();
    var processorRates = new List<double>();
    for (var pass = 0; pass < passes; pass++)
    {
        var next = -1;
        var processorTime = Environment.CpuUsage.TotalTime;
        var clock = Stopwatch.StartNew();
        var workers = Enumerable.Range(0, threads).Select(_ => new Thread(() =>
        {
            for (int i; (i = Interlocked.Increment(ref next)) < results.Length;)
            {
                results[i].Clear();
                tokenizer.Encode(corpus.Documents[i].AsSpan(), results[i], SpecialTokens.Recognized);
            }
        })).ToList();
        workers.ForEach(worker => worker.Start());
        workers.ForEach(worker => worker.Join());
        rates.Add(corpus.Bytes / clock.Elapsed.TotalSeconds / 1e6);
        processorRates.Add(corpus.Bytes / (Environment.CpuUsage.TotalTime - processorTime).TotalSeconds / 1e6);
    }

    if (options.TryGetValue("--ids", out var idsPath))
    {
        using var stream = File.Create(idsPath);
        Span<int> count = stackalloc int[1];
        foreach (var ids in results)
        {
            count[0] = ids.Count;
            stream.Write(MemoryMarshal.AsBytes(count));
            stream.Write(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(ids)));
        }
    }

    Console.WriteLine($"{{\"tokens\": {results.Sum(ids => (long)ids.Count)}, \"bytes\": {corpus.Bytes}, "
        + $"\"megabytes_per_second\": [{Join(rates.Skip(warmup))}], "
        + $"\"megabytes_per_processor_second\": [{Join(processorRates.Skip(warmup))}]}}");
}

void Train((string[] Documents, long Bytes) corpus)
{
    var seconds = new List<double>();
    for (var pass = 0; pass < passes; pass++)
    {
        var clock = Stopwatch.StartNew();
        var trained = ByteLevelBpeTrainer.Train(corpus.Documents, Number("--vocab-size", 30000), threads);
        seconds.Add(clock.Elapsed.TotalSeconds);
        if (options.TryGetValue("--output", out var folder))
        {
            TokenizerFolder.Save(trained, folder);
        }
    }

    Console.WriteLine($"{{\"bytes\": {corpus.Bytes}, \"seconds\": [{Join(seconds.Skip(warmup))}]}}");
}

void EncodeLongPieces(TokenizerModel tokenizer)
{
    var random = new Random(7);
    (string Name, Func<int, string> Make)[] texts =
    [
        ("one letter", length => new string('a', length)),
        ("random letters", length => string.Create(length, random, (span, source) =>
        {
            foreach (ref var letter in span)
            {
                letter = (char)('a' + source.Next(26));
            }
        })),
        ("blanks", length => new string(' ', length)),
        ("punctuation", length => string.Concat(Enumerable.Repeat("=-", length / 2))),
    ];
    foreach (var (name, make) in texts)
    {
        var seconds = new List<double>();
        for (var length = 1 << 18; length <= 1 << 22; length *= 2)
        {
            var text = make(length);
            var ids = new List<int>(length);
            var best = double.MaxValue;
            for (var pass = 0; pass < passes; pass++)
            {
                ids.Clear();
                var clock = Stopwatch.StartNew();
                tokenizer.Encode(text.AsSpan(), ids);
                best = Math.Min(best, clock.Elapsed.TotalSeconds);
            }

            seconds.Add(best);
        }

        Console.WriteLine($"{{\"text\": \"{name}\", \"seconds_for_quarter_half_1_2_4_MiB\": [{Join(seconds)}]}}");
    }
}
