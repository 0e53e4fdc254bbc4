using System.Text;
using System.Text.Json;
using KvShiftScale.Data.Preparation;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tests.Text;
using KvShiftScale.Data.Text;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Data.Tokenization.Files;
using KvShiftScale.Data.Tokenization.Training;

namespace KvShiftScale.Data.Tests.Preparation;

/// <summary>What ends and begins documents, special tokens in text, lines that are no documents, and text that is not UTF-8.</summary>
public sealed class PreparationChoicesTests : IDisposable
{
    // Twice, so that every pair of its letters is one to merge.
    private const string Words = "one two three four five six seven keys values token";

    private static readonly PreparationOptions Options = new() { ShardTokens = 200, Workers = 2, PortionBytes = 100 };

    private readonly TemporaryFolder _folder = new();
    private readonly TokenizerModel _tokenizer;

    public PreparationChoicesTests()
    {
        // 279 is <|endoftext|>; two more special ones.
        TokenizerFolder.Save(ByteLevelBpeTrainer.Train([Words, Words], 280), _folder.Path("tokenizer"));
        _folder.Write("tokenizer/added_tokens.json", """{"<s>": 280, "</s>": 281}""");
        _folder.Write("tokenizer/special_tokens_map.json", """{"bos_token": "<s>", "eos_token": "</s>"}""");
        _tokenizer = TokenizerModel.Load(_folder.Path("tokenizer"));
    }

    private string Output => _folder.Path("out");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(true, null, null, new int[0], new[] { 281 })]
    [InlineData(true, 279, null, new int[0], new[] { 279 })]
    [InlineData(true, null, 280, new[] { 280 }, new[] { 281 })]
    [InlineData(true, 65, 66, new[] { 66 }, new[] { 65 })]
    [InlineData(false, null, 280, new[] { 280 }, new int[0])]
    [InlineData(false, null, null, new int[0], new int[0])]
    public void DocumentsBeginAndEndAsChosen(bool ends, int? end, int? begin, int[] before, int[] after)
    {
        _folder.Write("in/a.jsonl", Line("one two") + Line(""));
        var manifest = Prepare(Options with { AppendEndOfText = ends, EndOfTextId = end, BeginOfTextId = begin }).Manifest;

        Assert.Equal([[.. before, .. _tokenizer.Encode("one two"), .. after], [.. before, .. after]], Documents());
        Assert.Equal(ends ? after[0] : null, manifest.Preparation!.EndOfTextId);
        Assert.Equal(begin, manifest.Preparation.BeginOfTextId);
        Assert.Equal((ends ? $"{after[0]}" : null, begin is null ? null : $"{begin}"), (Metadata("kvshift.end_of_text_id"), Metadata("kvshift.begin_of_text_id")));
    }

    [Fact]
    public void WithoutAnyEndTheTokenizerNeedsNone()
    {
        _folder.Write("tokenizer/special_tokens_map.json", """{"eos_token": "<none>"}""");
        var tokenizer = TokenizerModel.Load(_folder.Path("tokenizer"));
        _folder.Write("in/a.txt", "one two");

        var error = Assert.Throws<InvalidDataException>(() => new CorpusPreparation(tokenizer, Options).Run([_folder.Path("in")], Output));
        Assert.Contains("'<none>' ends a document, and no file gives that token an id", error.Message, StringComparison.Ordinal);
        new CorpusPreparation(tokenizer, Options with { EndOfTextId = 279 }).Run([_folder.Path("in")], _folder.Path("named"));
        new CorpusPreparation(tokenizer, Options with { AppendEndOfText = false }).Run([_folder.Path("in")], Output);
        Assert.Equal([tokenizer.Encode("one two")], Documents());
    }

    [Theory]
    [InlineData(SpecialTokens.AsText, "text")]
    [InlineData(SpecialTokens.Recognized, "ids")]
    public void SpecialTokensInATextAreTextUnlessTheyAreAskedFor(SpecialTokens rule, string name)
    {
        const string Text = "one</s><s> two <|endoftext|>";
        _folder.Write("in/a.jsonl", Line(Text));
        var manifest = Prepare(Options with { SpecialTokens = rule }).Manifest;

        Assert.Equal([[.. _tokenizer.Encode(Text, rule), 281]], Documents());
        Assert.Equal(rule == SpecialTokens.Recognized ? 4 : 1, Documents()[0].Count(id => id >= 279));
        Assert.Equal(name, manifest.Preparation!.SpecialTokens);
    }

    [Fact]
    public void BadLinesAreLeftOutCountedAndNamedWhereTold()
    {
        string[] bad = ["{\"text\": \"cut", "[1]", "{\"body\": \"x\"}", "{\"text\": 5}", "plain", "{\"text\": \"a\"} x"];
        var path = _folder.Write("in/a.jsonl", Line("one") + string.Concat(bad.Select(line => line + "\n")) + Line("two"));
        _folder.Write("in/b.jsonl", Line("three"));

        Assert.StartsWith($"{path}, line 2: found", Assert.Throws<InvalidDataException>(() => Prepare(Options)).Message, StringComparison.Ordinal);
        Directory.Delete(Output, recursive: true);
        var preparation = Prepare(Options with { SkipsBadLines = true }).Manifest.Preparation!;

        Assert.Equal(["one", "two", "three"], Documents().Select(document => _tokenizer.Decode(document[..^1])));
        Assert.Equal(6, preparation.LeftOutLines);
        Assert.Equal(Enumerable.Range(2, 6).Select(line => (path, (long)line)), preparation.FirstLeftOut!.Select(line => (line.Path, line.Line)));
        Assert.Contains("which is not JSON", preparation.FirstLeftOut![0].Reason, StringComparison.Ordinal);
        Assert.Contains("no field 'text'; found 'body'", preparation.FirstLeftOut![2].Reason, StringComparison.Ordinal);
    }

    /// <summary>Null is what writers put where there is nothing; Python writes NaN, which is no JSON.</summary>
    [Fact]
    public void ANullIsNoDocumentAndIsCounted()
    {
        _folder.Write("in/a.jsonl", "{\"text\":\"one\",\"score\":NaN}\n{\"text\":null}\n{\"x\":[-Infinity,Infinity],\"text\":\"NaN\"}\n{\"text\":\"\\\"NaN\",\"y\":NaN}\n");
        var preparation = Prepare(Options).Manifest.Preparation!;

        Assert.Equal(["one", "NaN", "\"NaN"], Documents().Select(document => _tokenizer.Decode(document[..^1])));
        Assert.Equal((1L, 2L, "field 'text' is null"), (preparation.LeftOutLines, preparation.FirstLeftOut![0].Line, preparation.FirstLeftOut[0].Reason));
    }

    [Theory]
    [InlineData("{\"text\":NaN}\n", "is a number, expected a string")]
    [InlineData("{\"text\":\"a\",\"b\":NaNa}\n", "which is not JSON")]
    [InlineData("{\"text\":\"a\",\"b\":nan}\n", "which is not JSON")]
    public void OnlyPythonsWordsArePassedOver(string line, string message)
    {
        _folder.Write("in/a.jsonl", line);

        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => Prepare(Options)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NothingButLinesWithoutTextIsAFault()
    {
        _folder.Write("in/a.jsonl", "{\"body\":\"one\"}\n{\"body\":\"two\"}\n");

        var error = Assert.Throws<InvalidDataException>(() => Prepare(Options with { SkipsBadLines = true }));

        Assert.Contains("none of 2 lines or rows has a text", error.Message, StringComparison.Ordinal);
        Assert.Contains("no field 'text'; found 'body'", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(Output, "manifest.json")));
    }

    [Fact]
    public void TextThatIsNotUtf8IsCounted()
    {
        Directory.CreateDirectory(_folder.Path("in"));
        // Two letters of Latin-1; a cut character and a lone continuation; a half surrogate in an escape beside a whole pair; nothing broken.
        File.WriteAllBytes(_folder.Path("in/a.txt"), [.. "caf"u8, 0xE9, .. " na"u8, 0xEF, .. "ve"u8]);
        File.WriteAllBytes(_folder.Path("in/b.jsonl"), [.. "{\"text\":\"x"u8, 0xE2, 0x82, 0x80, .. "y\",\"other\":\""u8, 0xFF, 0xFE, .. "\"}\n"u8,
            .. "{\"text\":\"\\ud800 \\ud83d\\ude00\"}\n{\"text\":\"\\n"u8, 0xC3, .. "\"}\n{\"text\":\"\uFFFD fine\"}\n"u8]);
        var preparation = Prepare(Options).Manifest.Preparation!;

        Assert.Equal(["caf\uFFFD na\uFFFDve", "x\u2080y", "\uFFFD \U0001F600", "\n\uFFFD", "\uFFFD fine"],
            Documents().Select(document => _tokenizer.Decode(document[..^1])));
        Assert.Equal((4L, 3L), (preparation.ReplacedSequences, preparation.DocumentsReplacedIn));
    }

    [Theory]
    [InlineData("e\u00E9", new byte[0], 0)]
    [InlineData("", new byte[] { 0xC3 }, 1)]
    [InlineData("", new byte[] { 0xE2, 0x82, 0x41 }, 1)]
    [InlineData("a", new byte[] { 0xF0, 0x9F, 0x98, 0xF0, 0x9F, 0x98, 0x80 }, 1)]
    [InlineData("", new byte[] { 0xED, 0xA0, 0x80, 0xC0, 0xAF, 0xFF }, 6)]
    public void CountsAsManyAsThereAreReplacements(string before, byte[] bytes, long count)
    {
        byte[] text = [.. Encoding.UTF8.GetBytes(before), .. bytes];

        Assert.Equal(count, BrokenUtf8.Count(text));
        Assert.Equal(count, Encoding.UTF8.GetString(text).Count(character => character == '\uFFFD'));
    }

    [Fact]
    public void OtherChoicesThanThoseOfUnfinishedWorkAreRefused()
    {
        WriteCorpus();
        var begun = Options with { BeginOfTextId = 280, SkipsBadLines = true };
        Interrupt(begun, afterShards: 2);

        Assert.Contains("its documents end with id 281, and now id 279", Conflict(begun with { EndOfTextId = 279 }), StringComparison.Ordinal);
        Assert.Contains("its documents end with the end-of-text id", Conflict(begun with { AppendEndOfText = false }), StringComparison.Ordinal);
        Assert.Contains("its documents begin with id 280", Conflict(begun with { BeginOfTextId = null }), StringComparison.Ordinal);
        Assert.Contains("its documents begin with id 280", Conflict(begun with { BeginOfTextId = 281 }), StringComparison.Ordinal);
        Assert.Contains("special tokens written in a text are text", Conflict(begun with { SpecialTokens = SpecialTokens.Recognized }), StringComparison.Ordinal);
        Assert.Contains("lines of JSON without a text were left out", Conflict(begun with { SkipsBadLines = false }), StringComparison.Ordinal);
        // The same said in another way.
        Assert.False(Prepare(begun with { EndOfTextId = 281 }).WasFinished);
    }

    [Fact]
    public void InterruptedWorkEndsWithTheSameBytesAndCounts()
    {
        WriteCorpus();
        var options = Options with { SkipsBadLines = true };
        Prepare(options);
        var expected = Contents();
        var preparation = ShardManifest.Read(Output).Preparation!;
        Assert.Equal((120L, 40L, 40L), (preparation.LeftOutLines, preparation.ReplacedSequences, preparation.DocumentsReplacedIn));
        Assert.Equal(20, preparation.FirstLeftOut!.Count);
        Directory.Delete(Output, recursive: true);

        for (var shards = 1; shards < 9; shards += 2)
        {
            Interrupt(options, shards);
        }

        Prepare(options);
        Assert.Equal(expected, Contents());
    }

    /// <summary>They wrote no id, and took the one of the first known name: here that of &lt;|endoftext|&gt;.</summary>
    [Fact]
    public void WorkOfAnEarlierVersionGoesOnWithTheIdThatItHad()
    {
        WriteCorpus();
        var options = Options with { SkipsBadLines = true };
        Interrupt(options with { EndOfTextId = 279 }, afterShards: 2);
        var journal = PreparationJournal.Read(Output)!;
        new PreparationJournal(journal.Done with { Preparation = journal.Done.Preparation! with { EndOfTextId = null } }, journal.Input, journal.Documents)
            .Write(Output);

        Assert.Contains("its documents end with id 279, and now id 281", Conflict(options), StringComparison.Ordinal);
        Prepare(options with { EndOfTextId = 279 });
        Assert.All(Documents(), document => Assert.Equal(279, document[^1]));
    }

    private static string Line(string text) => JsonSerializer.Serialize(new { text }) + "\n";

    /// <summary>Every third line is no document; every ninth has a broken place.</summary>
    private void WriteCorpus()
    {
        Directory.CreateDirectory(_folder.Path("in"));
        using var file = new FileStream(_folder.Path("in/a.jsonl"), FileMode.Create);
        for (var line = 0; line < 360; line++)
        {
            file.Write((line % 9) switch
            {
                2 or 5 => "{\"text\": null}\n"u8,
                8 => "{\"body\": 1}\n"u8,
                3 => [.. "{\"text\":\"one "u8, 0xFF, .. " two\"}\n"u8],
                _ => Encoding.UTF8.GetBytes(Line($"one two three {line} values")),
            });
        }
    }

    private void Interrupt(PreparationOptions options, int afterShards)
    {
        using var stop = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => new CorpusPreparation(_tokenizer, options).Run([_folder.Path("in")], Output, _ =>
        {
            if (Directory.GetFiles(Output, "*.parquet").Length >= afterShards)
            {
                stop.Cancel();
            }
        }, stop.Token));
    }

    private PreparationResult Prepare(PreparationOptions options) => new CorpusPreparation(_tokenizer, options).Run([_folder.Path("in")], Output);

    private string Conflict(PreparationOptions options) => Assert.Throws<PreparationConflictException>(() => Prepare(options)).Message;

    private SortedDictionary<string, string> Contents() => new(
        Directory.GetFiles(Output).ToDictionary(path => Path.GetFileName(path), path => Convert.ToHexString(File.ReadAllBytes(path))), StringComparer.Ordinal);

    private string? Metadata(string key)
    {
        using var reader = new ParquetSharp.ParquetFileReader(Directory.GetFiles(Output, "*.parquet")[0]);
        return reader.FileMetaData.KeyValueMetadata.GetValueOrDefault(key);
    }

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
