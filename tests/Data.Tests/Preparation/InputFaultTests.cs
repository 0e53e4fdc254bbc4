using System.IO.Compression;
using System.Text;
using System.Text.Json;
using KvShiftScale.Data.Corpus;
using KvShiftScale.Data.Preparation;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tests.Text;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Data.Tokenization.Files;
using KvShiftScale.Data.Tokenization.Training;

namespace KvShiftScale.Data.Tests.Preparation;

/// <summary>Input that is damaged, empty, found twice or written by the program itself.</summary>
public sealed class InputFaultTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TokenizerModel _tokenizer;

    public InputFaultTests()
    {
        TokenizerFolder.Save(ByteLevelBpeTrainer.Train(["one two three four one two three four"], 270), _folder.Path("tokenizer"));
        _tokenizer = TokenizerModel.Load(_folder.Path("tokenizer"));
    }

    private string Output => _folder.Path("out");

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Damages => ["gzip of nothing", "zstd of nothing", "cut gzip", "cut zstd", "plain text as gzip", "an array", "zeros"];

    [Theory]
    [MemberData(nameof(Damages))]
    public void ADamagedFileIsNamedAndTheOthersAreInShards(string damage)
    {
        WriteCorpus();
        Prepare();
        var whole = Contents();
        Directory.Delete(Output, recursive: true);
        // In the middle: files before it and behind it are good.
        var path = _folder.Path(damage switch
        {
            "gzip of nothing" or "cut gzip" or "plain text as gzip" => "in/d.jsonl.gz",
            "zstd of nothing" or "cut zstd" => "in/e.jsonl.zst",
            "an array" => "in/c.jsonl",
            _ => "in/b.txt",
        });
        var content = File.ReadAllBytes(path);
        File.WriteAllBytes(path, damage switch
        {
            "cut gzip" or "cut zstd" => content[..(content.Length * 3 / 4)],
            "plain text as gzip" => "text"u8.ToArray(),
            "an array" => "[{\"text\":\"one\"}]"u8.ToArray(),
            "zeros" => new byte[100],
            _ => [],
        });

        var error = Assert.Throws<InvalidDataException>(() => Prepare());

        Assert.Contains($"1 of 6 files could not be read to their end:\n  {path}: ", error.Message, StringComparison.Ordinal);
        Assert.Contains($"of {Output}, which has no manifest.json and is not finished", error.Message, StringComparison.Ordinal);
        var kept = Documents();
        Assert.All(Files().Where(file => file.Path != path).SelectMany(file => file.Texts), text => Assert.Contains(Encode(text), kept));
        Assert.False(File.Exists(Path.Combine(Output, "manifest.json")));

        // Mended, it ends as if nothing had been.
        File.WriteAllBytes(path, content);
        Prepare();
        Assert.Equal(whole, Contents());
    }

    [Fact]
    public void WithoutTheDamagedFileTheWorkGoesOnBeforeItsPlace()
    {
        WriteCorpus();
        File.WriteAllBytes(_folder.Path("in/e.jsonl.zst"), []);

        var error = Assert.Throws<InvalidDataException>(() => Prepare());
        Assert.Matches("goes on after shard [1-9]", error.Message);
        File.Delete(_folder.Path("in/e.jsonl.zst"));
        var result = Prepare();
        var contents = Contents();

        Assert.InRange(result.ShardsBefore, 1, 100);
        Directory.Delete(Output, recursive: true);
        Prepare();
        Assert.Equal(contents, Contents());
    }

    [Fact]
    public void AllDamagedFilesAreNamed()
    {
        WriteCorpus();
        File.WriteAllBytes(_folder.Path("in/e.jsonl.zst"), []);
        File.WriteAllText(_folder.Path("in/d.jsonl.gz"), "text");
        File.WriteAllBytes(_folder.Path("in/a.jsonl"), new byte[7]);

        var message = Assert.Throws<InvalidDataException>(() => Prepare()).Message;

        Assert.Contains("3 of 6 files", message, StringComparison.Ordinal);
        Assert.All((string[])["in/a.jsonl: found binary data", "in/d.jsonl.gz: found plain text", "in/e.jsonl.zst: found an empty file"],
            part => Assert.Contains(_folder.Path(part), message, StringComparison.Ordinal));
        Assert.Contains("from the beginning", message, StringComparison.Ordinal);
    }

    [Fact]
    public void EmptyFilesAreNoDocumentsAndCounted()
    {
        WriteCorpus();
        _folder.Write("in/0.txt", "");
        _folder.Write("in/1.jsonl", "\n");

        var result = Prepare();

        Assert.Equal([_folder.Path("in/0.txt"), _folder.Path("in/1.jsonl")], result.FilesWithoutDocument);
        Assert.Equal(Files().Sum(file => file.Texts.Length), result.Manifest.Rows);
    }

    [Fact]
    public void NothingButEmptyFilesIsRefusedAndLeavesNoShard()
    {
        _folder.Write("in/0.txt", "");
        _folder.Write("in/1.jsonl", "");

        Assert.StartsWith($"{_folder.Path("in/0.txt")} and 1 more: found no document in them", Assert.Throws<InvalidDataException>(() => Prepare()).Message,
            StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(Output));
    }

    [Fact]
    public void AFileThatIsFoundTwiceIsReadOnce()
    {
        WriteCorpus();
        Prepare();
        var once = ShardManifest.Read(Output).Rows;
        Directory.Delete(Output, recursive: true);
        File.CreateSymbolicLink(_folder.Path("in/z.txt"), "b.txt");
        File.CreateSymbolicLink(_folder.Path("in/again"), ".");
        File.CreateSymbolicLink(_folder.Path("in/up"), "../in");

        var result = Prepare(_folder.Path("in"), _folder.Path("in/**/*.txt"));

        Assert.Equal(once, result.Manifest.Rows);
        Assert.Equal(["again", "up", "z.txt"], result.LeftOut.Select(name => Path.GetFileName(name.Path)).Distinct().Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("in/out", "in")]
    [InlineData("in/deep/out", "in")]
    [InlineData("in", "in")]
    [InlineData("in/out", "in/**/*.json*", "in/**/*.txt")]
    [InlineData("in/out", "in/**")]
    public void ItsOwnOutputIsNoInput(string output, params string[] input)
    {
        WriteCorpus();
        string[] paths = [.. input.Select(_folder.Path)];
        var first = Run(_folder.Path(output), paths);
        Assert.Equal(Files().Sum(file => file.Texts.Length), first.Manifest.Rows);

        // The same again is finished; into another folder, also with what a kill has left, the same documents come.
        Assert.True(Run(_folder.Path(output), paths).WasFinished);
        File.WriteAllText(_folder.Path(output + "/unfinished.json"), File.ReadAllText(_folder.Path(output + "/manifest.json")));
        File.Delete(_folder.Path(output + "/unfinished.json"));
        var second = Run(_folder.Path("in/second"), paths);
        Assert.Equal(first.Manifest.Files, second.Manifest.Files);
        Assert.Contains(second.LeftOut, name => name.Path == _folder.Path(output + "/manifest.json") && name.Detail == "written by 'data prepare'");
    }

    /// <summary>Corpora of the Hub name their files much like shards.</summary>
    [Theory]
    [InlineData("in/fineweb/shard_00000.parquet")]
    [InlineData("in/fineweb/shard-00000.parquet")]
    [InlineData("in/shard-00001-of-00002.parquet")]
    public void TextInAFileThatIsNamedLikeAShardIsInput(string name)
    {
        Parquet.TextParquet.Write(_folder.Path(name), ["one", "two"]);

        Assert.Equal(2, Run(_folder.Path("in"), _folder.Path("in/**/*.parquet")).Manifest.Rows);
    }

    [Fact]
    public void ShardsThatNoManifestListsAreNoInput()
    {
        WriteCorpus();
        Run(_folder.Path("in/other/validation"), _folder.Path("in"));
        File.Delete(_folder.Path("in/other/validation/manifest.json"));
        _folder.Write("in/other/validation/shard-00009.parquet.partial", "PAR1");

        var result = Prepare();

        Assert.Equal(Files().Sum(file => file.Texts.Length), result.Manifest.Rows);
        Assert.Contains(result.LeftOut, name => name.Path == _folder.Path("in/other/validation/shard-00000.parquet"));
    }

    [Fact]
    public void UnfinishedWorkBelowTheInputGoesOn()
    {
        WriteCorpus();
        Prepare();
        var whole = Contents();
        using (var stop = new CancellationTokenSource())
        {
            Assert.ThrowsAny<OperationCanceledException>(() => new CorpusPreparation(_tokenizer, Options).Run([_folder.Path("in")], _folder.Path("in/out"),
                _ => { if (File.Exists(_folder.Path("in/out/shard-00000.parquet"))) { stop.Cancel(); } }, stop.Token));
        }

        Assert.True(Run(_folder.Path("in/out"), _folder.Path("in")).ShardsBefore > 0);
        Assert.Equal(whole.Where(file => file.Key != "manifest.json"), Contents(_folder.Path("in/out")).Where(file => file.Key != "manifest.json"));
    }

    [Fact]
    public void TheTokenizerBelowTheInputIsNoText()
    {
        WriteCorpus();
        Directory.Move(_folder.Path("tokenizer"), _folder.Path("in/tokenizer"));
        var options = Options with { TokenizerPath = _folder.Path("in/tokenizer") };

        var result = new CorpusPreparation(_tokenizer, options).Run([_folder.Path("in")], Output);

        Assert.Equal(Files().Sum(file => file.Texts.Length), result.Manifest.Rows);
        Assert.All(result.LeftOut, name => Assert.Equal("of the tokenizer", name.Detail));
        Assert.Contains(result.LeftOut, name => name.Path == _folder.Path("in/tokenizer/merges.txt"));
        // Where it is to be trained into, too.
        Assert.DoesNotContain(_folder.Path("in/tokenizer/merges.txt"), TextDocuments.Files([_folder.Path("in")], new OwnFiles(_folder.Path("in/tokenizer")).WhatIs).Paths);
    }

    [Fact]
    public void AFileThatIsOnlyCalledManifestIsText()
    {
        _folder.Write("in/manifest.json", "{\"text\":\"one\"}\n{\"text\":\"two\"}\n");
        _folder.Write("in/deep/manifest.json", "{\"text\":\"three\"}");

        Assert.Equal(3, Prepare().Manifest.Rows);
    }

    [Fact]
    public void NothingButItsOwnOutputIsSaidSo()
    {
        WriteCorpus();
        Run(_folder.Path("in/out"), _folder.Path("in"));

        var error = Assert.Throws<FileNotFoundException>(() => Run(_folder.Path("other"), _folder.Path("in/out")));
        Assert.Contains("no text but what this program has written", error.Message, StringComparison.Ordinal);
    }

    private static PreparationOptions Options { get; } = new() { ShardTokens = 300, Workers = 2, PortionBytes = 200 };

    private PreparationResult Prepare(params string[] paths) => Run(Output, paths.Length == 0 ? [_folder.Path("in")] : paths);

    private PreparationResult Run(string output, params string[] paths) => new CorpusPreparation(_tokenizer, Options).Run(paths, output);

    private int[] Encode(string text) => [.. _tokenizer.Encode(text), _tokenizer.EndOfTextId!.Value];

    private (string Path, string[] Texts)[] Files()
        => [.. ((string[])["a.jsonl", "b.txt", "c.jsonl", "d.jsonl.gz", "e.jsonl.zst", "f.jsonl"])
            .Select((name, file) => (_folder.Path("in/" + name), name == "b.txt"
                ? ["one text alone\n"]
                : Enumerable.Range(0, 40).Select(line => $"one two three four {file} {line}").ToArray()))];

    private void WriteCorpus()
    {
        foreach (var (path, texts) in Files())
        {
            var content = Encoding.UTF8.GetBytes(path.EndsWith(".txt", StringComparison.Ordinal) ? texts[0]
                : string.Concat(texts.Select(text => JsonSerializer.Serialize(new { text }) + "\n")));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, path.EndsWith(".gz", StringComparison.Ordinal) ? GZip(content)
                : path.EndsWith(".zst", StringComparison.Ordinal) ? ZstdFile.Compress(content) : content);
        }
    }

    private static byte[] GZip(byte[] content)
    {
        using var compressed = new MemoryStream();
        using (var writer = new GZipStream(compressed, CompressionLevel.Optimal))
        {
            writer.Write(content);
        }

        return compressed.ToArray();
    }

    private SortedDictionary<string, string> Contents(string? folder = null) => new(Directory.GetFiles(folder ?? Output)
        .ToDictionary(path => Path.GetFileName(path), path => WithoutTimes(path)), StringComparer.Ordinal);

    // A file that was written again has another time and is the same input.
    private static string WithoutTimes(string path) => path.EndsWith(".json", StringComparison.Ordinal)
        ? string.Join('\n', File.ReadAllLines(path).Where(line => !line.Contains("\"modified\"", StringComparison.Ordinal)))
        : Convert.ToHexString(File.ReadAllBytes(path));

    private List<int[]> Documents()
    {
        var documents = new List<int[]>();
        foreach (var file in ShardFiles.Find(Output).Paths)
        {
            using var shard = TokenShard.Open(file);
            for (var index = 0; index < shard.RowGroupCount; index++)
            {
                var group = shard.ReadRowGroup(index);
                documents.AddRange(Enumerable.Range(0, group.DocumentCount).Select(document => group.Document(document).ToArray()));
            }
        }

        return documents;
    }
}
