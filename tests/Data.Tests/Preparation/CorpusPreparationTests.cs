using System.IO.Compression;
using System.Text;
using System.Text.Json;
using KvShiftScale.Data.Preparation;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tests.Text;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Data.Tokenization.Files;
using KvShiftScale.Data.Tokenization.Training;

namespace KvShiftScale.Data.Tests.Preparation;

public sealed class CorpusPreparationTests : IDisposable
{
    private static readonly PreparationOptions Options = new() { ShardTokens = 8000, Workers = 2, PortionBytes = 1000 };

    private readonly TemporaryFolder _folder = new();
    private readonly TokenizerModel _tokenizer;

    public CorpusPreparationTests()
    {
        var trained = ByteLevelBpeTrainer.Train(["one two three four five six seven keys values token", "one two three four five six seven keys values token"], 280);
        TokenizerFolder.Save(trained, _folder.Path("tokenizer"));
        _tokenizer = TokenizerModel.Load(_folder.Path("tokenizer"));
    }

    private string Output => _folder.Path("out");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void EveryKindAndCompressionGivesTheDocumentsInOrder()
    {
        string[] texts = ["plain text\n", "# head\n\ntext", "one", "two", "", "three", "four", "packed", "five"];
        _folder.Write("in/a.txt", texts[0]);
        _folder.Write("in/b.md", texts[1]);
        _folder.Write("in/c.jsonl", Line(texts[2]) + Line(texts[3]) + "\n" + Line(texts[4]));
        File.WriteAllBytes(_folder.Path("in/d.jsonl.gz"), GZip(Line(texts[5]) + Line(texts[6])));
        File.WriteAllBytes(_folder.Path("in/e.txt.zst"), ZstdFile.Compress(texts[7]));
        File.WriteAllBytes(_folder.Path("in/f.jsonl.zst"), ZstdFile.Compress(Line(texts[8])));

        var result = Prepare(Options, _folder.Path("in"));

        Assert.Equal(texts.Select(text => (int[])[.. _tokenizer.Encode(text), _tokenizer.EndOfTextId!.Value]), Documents());
        Assert.False(result.WasFinished);
        var preparation = ShardManifest.Read(Output).Preparation!;
        Assert.Equal(["a.txt", "b.md", "c.jsonl", "d.jsonl.gz", "e.txt.zst", "f.jsonl.zst"], preparation.Inputs.Select(input => Path.GetFileName(input.Path)));
        Assert.Equal([1L, 1, 3, 2, 1, 1], preparation.Inputs.Select(input => input.Documents));
        Assert.Equal(preparation.Inputs.Select(input => new FileInfo(input.Path).Length), preparation.Inputs.Select(input => input.Bytes));
        Assert.Equal(texts.Sum(Encoding.UTF8.GetByteCount), preparation.TextBytes);
        Assert.Equal(9, result.Manifest.Rows);
        Assert.Equal(result.Manifest.Tokens, Documents().Sum(document => document.Length));
        // The empty document has its end of text.
        Assert.Equal(1, result.Manifest.Lengths!.Shortest);
        Assert.Equal(["manifest.json", "shard-00000.parquet"], Directory.GetFiles(Output).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void WithoutEndOfTextAnEmptyDocumentHasNoToken()
    {
        var path = _folder.Write("a.jsonl", Line("one") + Line(""));

        var result = Prepare(Options with { AppendEndOfText = false }, path);

        Assert.Equal([_tokenizer.Encode("one"), []], Documents());
        Assert.Equal(1, result.Manifest.Lengths!.Empty);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void AnInterruptedPreparationGoesOnAndEndsWithTheSameBytes(int interruptAfter)
    {
        WriteCorpus();
        Prepare(Options, _folder.Path("in"));
        var expected = Contents();
        Assert.InRange(expected.Count, 10, 100);
        Directory.Delete(Output, recursive: true);

        // Stopped again and again, each time a few shards farther.
        var launches = 0;
        while (!File.Exists(Path.Combine(Output, "manifest.json")))
        {
            launches++;
            var before = ShardCount();
            try
            {
                using var stop = new CancellationTokenSource();
                var result = Prepare(Options, [_folder.Path("in")], _ => { if (ShardCount() - before >= interruptAfter) { stop.Cancel(); } }, stop.Token);
                Assert.Equal(before, result.ShardsBefore);
            }
            catch (OperationCanceledException)
            {
                Assert.True(ShardCount() > before, "no progress");
                Assert.True(File.Exists(Path.Combine(Output, "unfinished.json")));
            }
        }

        Assert.InRange(launches, 2, 100);
        Assert.Equal(expected, Contents());
    }

    [Fact]
    public void OneThreadAndFourWriteTheSameBytes()
    {
        WriteCorpus();
        Prepare(Options with { Workers = 1 }, _folder.Path("in"));
        var expected = Contents();
        Directory.Delete(Output, recursive: true);

        Prepare(Options with { Workers = 4 }, _folder.Path("in"));

        Assert.Equal(expected, Contents());
    }

    [Fact]
    public void LeftoversOfAKillAreReplaced()
    {
        WriteCorpus();
        Prepare(Options, _folder.Path("in"));
        var expected = Contents();
        Directory.Delete(Output, recursive: true);
        Interrupt(afterShards: 3);

        // A shard that was complete before the journal was, one that was being written, and the lock of a process that is gone.
        File.WriteAllText(Path.Combine(Output, $"shard-{ShardCount():D5}.parquet"), "another");
        File.WriteAllText(Path.Combine(Output, $"shard-{ShardCount():D5}.parquet.partial"), "half");
        File.WriteAllText(Path.Combine(Output, ".lock"), "");
        Prepare(Options, _folder.Path("in"));

        Assert.Equal(expected, Contents());
    }

    [Fact]
    public void FinishedWorkIsLeftAlone()
    {
        var path = _folder.Write("a.jsonl", Line("one") + Line("two"));
        var first = Prepare(Options, path);
        var written = File.GetLastWriteTimeUtc(Path.Combine(Output, "shard-00000.parquet"));

        // Another time of change and another folder are no other content.
        File.SetLastWriteTimeUtc(path, new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        Directory.CreateDirectory(_folder.Path("moved"));
        File.Move(path, _folder.Path("moved/a.jsonl"));
        var second = Prepare(Options, _folder.Path("moved/a.jsonl"));

        Assert.True(second.WasFinished);
        Assert.Equal(first.Manifest.Tokens, second.Manifest.Tokens);
        Assert.Equal(written, File.GetLastWriteTimeUtc(Path.Combine(Output, "shard-00000.parquet")));
    }

    [Fact]
    public void ChangedInputOfFinishedWorkIsNamed()
    {
        var a = _folder.Write("in/a.jsonl", Line("one"));
        _folder.Write("in/b.jsonl", Line("two"));
        Prepare(Options, _folder.Path("in"));

        _folder.Write("in/a.jsonl", Line("six"));
        File.SetLastWriteTimeUtc(a, new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        Assert.Contains("a.jsonl has other content, of the same length", Conflict(Options), StringComparison.Ordinal);
        _folder.Write("in/a.jsonl", Line("one") + Line("one"));
        Assert.Contains("a.jsonl had 15 bytes, and now it has 30", Conflict(Options), StringComparison.Ordinal);
        _folder.Write("in/a.jsonl", Line("one"));
        _folder.Write("in/c.jsonl", Line("three"));
        Assert.Contains("2 input files were read, and now there are 3", Conflict(Options), StringComparison.Ordinal);
        File.Move(_folder.Path("in/b.jsonl"), _folder.Path("b.jsonl"));
        Assert.Contains("was read in this place, and now it is", Conflict(Options), StringComparison.Ordinal);
    }

    [Fact]
    public void OtherSettingsAreNamed()
    {
        _folder.Write("in/a.jsonl", Line("one"));
        Prepare(Options, _folder.Path("in"));

        Assert.Contains("its documents end with the end-of-text id", Conflict(Options with { AppendEndOfText = false }), StringComparison.Ordinal);
        Assert.Contains("its text is that of the field 'text'", Conflict(Options with { Field = "body" }), StringComparison.Ordinal);
        Assert.Contains("its shards have 8000 tokens", Conflict(Options with { ShardTokens = 8 }), StringComparison.Ordinal);
        TokenizerFolder.Save(ByteLevelBpeTrainer.Train(["others others"], 259), _folder.Path("tokenizer-2"));
        var other = new CorpusPreparation(TokenizerModel.Load(_folder.Path("tokenizer-2")), Options);
        Assert.Contains($"its tokenizer is {_tokenizer.Hash}",
            Assert.Throws<PreparationConflictException>(() => other.Run([_folder.Path("in")], Output)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void InputThatChangedDuringAnInterruptionIsNamedIfItWasRead()
    {
        WriteCorpus();
        Interrupt(afterShards: 6);
        var unfinished = PreparationJournal.Read(Output)!;
        Assert.InRange(unfinished.Input, 1, 3);

        // A file that no shard is made of may change: it is read as it is now.
        var last = Directory.GetFiles(_folder.Path("in")).Order(StringComparer.Ordinal).Last();
        File.WriteAllText(last, "the last file has changed");
        var read = unfinished.Done.Preparation!.Inputs[0].Path;
        var whole = File.ReadAllBytes(read);
        File.WriteAllBytes(read, [.. whole, (byte)'\n']);
        Assert.Contains($"{read} had {whole.Length} bytes", Conflict(Options), StringComparison.Ordinal);

        File.WriteAllBytes(read, whole);
        Prepare(Options, _folder.Path("in"));
        Assert.Equal([.. _tokenizer.Encode("the last file has changed"), _tokenizer.EndOfTextId!.Value], Documents()[^1]);
    }

    [Fact]
    public void AFileThatWasHalfReadMayNotHaveBeenTouched()
    {
        WriteCorpus();
        Interrupt(afterShards: 2);
        var journal = PreparationJournal.Read(Output)!;
        var half = journal.Done.Preparation!.Inputs[journal.Input];
        // The reader may have been ahead, and at the end of the file; then its content is known.
        new PreparationJournal(
            journal.Done with
            {
                Preparation = journal.Done.Preparation with { Inputs = [.. journal.Done.Preparation.Inputs.Take(journal.Input), half with { Sha256 = null }] },
            },
            journal.Input, journal.Documents).Write(Output);
        File.SetLastWriteTimeUtc(half.Path, half.Modified.AddSeconds(5));

        Assert.Contains("while only a part of it was read", Conflict(Options), StringComparison.Ordinal);
    }

    [Fact]
    public void AMissingOrDamagedShardOfUnfinishedWorkIsNamed()
    {
        WriteCorpus();
        Interrupt(afterShards: 3);
        File.AppendAllText(Path.Combine(Output, "shard-00001.parquet"), "x");

        var error = Assert.Throws<InvalidDataException>(() => Prepare(Options, _folder.Path("in")));
        Assert.Contains("lists shard-00001.parquet of", error.Message, StringComparison.Ordinal);

        File.WriteAllText(Path.Combine(Output, "unfinished.json"), "{");
        Assert.Contains("unfinished.json", Assert.Throws<InvalidDataException>(() => Prepare(Options, _folder.Path("in"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TwoPreparationsOfOneFolderDoNotMeet()
    {
        WriteCorpus();
        var conflict = "";
        Prepare(Options, [_folder.Path("in")], _ =>
        {
            if (conflict.Length == 0)
            {
                conflict = Conflict(Options);
            }
        });

        Assert.Contains("another process is preparing", conflict, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(Output, ".lock")));
    }

    [Fact]
    public void ABrokenLineIsNamedAndTheShardsBeforeItStay()
    {
        WriteCorpus();
        var path = _folder.Write("in/y.jsonl", Line("fine") + "{\"text\": \"cut");

        var error = Assert.Throws<InvalidDataException>(() => Prepare(Options, _folder.Path("in")));

        Assert.StartsWith($"{path}, line 2: found '{{\"text\": \"cut', which is not JSON", error.Message, StringComparison.Ordinal);
        var before = ShardCount();
        Assert.True(before > 3);
        // No shard is made of the broken file, so mending it is no change of what was read.
        _folder.Write("in/y.jsonl", Line("fine") + Line("cut no more"));
        Assert.Equal(before, Prepare(Options, _folder.Path("in")).ShardsBefore);
    }

    [Fact]
    public void ProgressEndsWithAllOfTheInput()
    {
        WriteCorpus();
        var reports = new List<PreparationProgress>();

        var result = Prepare(Options, [_folder.Path("in")], reports.Add);

        Assert.Equal(result.Manifest.Rows, reports[^1].Documents);
        Assert.Equal(result.Manifest.Tokens, reports[^1].Tokens);
        Assert.Equal(Directory.GetFiles(_folder.Path("in")).Sum(path => new FileInfo(path).Length), reports[^1].InputBytes);
        Assert.Equal(reports[^1].InputBytes, reports[^1].TotalInputBytes);
        Assert.Equal(reports.OrderBy(report => report.InputBytes), reports);
    }

    private static string Line(string text) => JsonSerializer.Serialize(new { text }) + "\n";

    private static byte[] GZip(string text)
    {
        var packed = new MemoryStream();
        using (var writer = new GZipStream(packed, CompressionLevel.Optimal))
        {
            writer.Write(Encoding.UTF8.GetBytes(text));
        }

        return packed.ToArray();
    }

    /// <summary>Five files of several portions of text in all, enough for more than ten shards.</summary>
    private void WriteCorpus()
    {
        string[] words = ["one", "two", "three", "four", "five", "six", "seven", "keys", "values", "token"];
        var lines = Enumerable.Range(0, 4).Select(file => string.Concat(Enumerable.Range(0, 900).Select(line =>
            Line(string.Join(' ', Enumerable.Range(0, line * 7 % 40).Select(word => words[(line * 31 + word * 17 + file) % 10])))))).ToArray();
        _folder.Write("in/a.jsonl", lines[0]);
        File.WriteAllBytes(_folder.Path("in/b.jsonl.gz"), GZip(lines[1]));
        File.WriteAllBytes(_folder.Path("in/c.jsonl.zst"), ZstdFile.Compress(lines[2]));
        _folder.Write("in/d.jsonl", lines[3]);
        _folder.Write("in/z.txt", "the last file");
    }

    private void Interrupt(int afterShards)
    {
        using var stop = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => Prepare(Options, [_folder.Path("in")], _ =>
        {
            if (ShardCount() >= afterShards)
            {
                stop.Cancel();
            }
        }, stop.Token));
    }

    private int ShardCount() => Directory.Exists(Output) ? Directory.GetFiles(Output, "*.parquet").Length : 0;

    private PreparationResult Prepare(PreparationOptions options, params string[] globs) => Prepare(options, globs, null);

    private PreparationResult Prepare(
        PreparationOptions options, string[] globs, Action<PreparationProgress>? report, CancellationToken cancellation = default)
        => new CorpusPreparation(_tokenizer, options).Run(globs, Output, report, cancellation);

    private string Conflict(PreparationOptions options)
        => Assert.Throws<PreparationConflictException>(() => Prepare(options, _folder.Path("in"))).Message;

    /// <summary>All files of the output by name.</summary>
    private SortedDictionary<string, string> Contents() => new(
        Directory.GetFiles(Output).ToDictionary(path => Path.GetFileName(path), path => Convert.ToHexString(File.ReadAllBytes(path))), StringComparer.Ordinal);

    private List<int[]> Documents()
    {
        var documents = new List<int[]>();
        foreach (var file in ShardFiles.Find(Output).Paths)
        {
            using var shard = TokenShard.Open(file);
            for (var index = 0; index < shard.RowGroupCount; index++)
            {
                var group = shard.ReadRowGroup(index);
                for (var document = 0; document < group.DocumentCount; document++)
                {
                    documents.Add(group.Document(document).ToArray());
                }
            }
        }

        return documents;
    }
}
