using System.Text.Json;
using KvShiftScale.Core;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Corpus;
using KvShiftScale.Data.Preparation;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tests.Parquet;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Data.Tokenization.Files;
using KvShiftScale.Data.Tokenization.Training;
using TemporaryFolder = KvShiftScale.Data.Tests.Text.TemporaryFolder;

namespace KvShiftScale.Data.Tests.Preparation;

/// <summary>A corpus of Parquet and JSON lines whose documents go to training and to validation, or of which several processes prepare parts.</summary>
public sealed class DividedPreparationTests : IDisposable
{
    private static readonly PreparationOptions Options = new() { ShardTokens = 300, Workers = 2, PortionBytes = 200 };
    private static readonly PreparationOptions Split = Options with { Validation = ValidationShare.Parse("20%") };

    private readonly TemporaryFolder _folder = new();
    private readonly TokenizerModel _tokenizer;

    public DividedPreparationTests()
    {
        _tokenizer = Tokenizer("tokenizer", 270);
        for (var file = 0; file < 6; file++)
        {
            var texts = Enumerable.Range(0, 40).Select(row => row % 13 == 12 ? null : $"one two three {file} {row % 30}").ToArray();
            if (file % 2 == 0)
            {
                TextParquet.Write(_folder.Path($"in/{file}.parquet"), texts, rowGroup: 15);
            }
            else
            {
                _folder.Write($"in/{file}.jsonl", string.Concat(texts.Select(text => JsonSerializer.Serialize(new { text }) + "\n")));
            }
        }
    }

    private string Output => _folder.Path("out");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void RowsOfParquetAndLinesAreDocumentsInTheirOrder()
    {
        var result = Prepare(Options);

        Assert.Equal(AllTexts(), Texts(Output));
        var preparation = result.Manifest.Preparation!;
        Assert.Equal((18L, "column 'text' is null", "field 'text' is null"),
            (preparation.LeftOutLines, preparation.FirstLeftOut![0].Reason, preparation.FirstLeftOut[3].Reason));
        Assert.Equal($"{_folder.Path("in/0.parquet")}, row 12: column 'text' is null", preparation.FirstLeftOut[0].ToString());
        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(_folder.Path("in/0.parquet")))), preparation.Inputs[0].Sha256);
        Assert.Equal((40L, new FileInfo(_folder.Path("in/0.parquet")).Length), (preparation.Inputs[0].Documents, preparation.Inputs[0].Bytes));
    }

    [Fact]
    public void InterruptedWorkEndsWithTheSameBytes()
    {
        foreach (var options in (PreparationOptions[])[Options, Split])
        {
            Prepare(options);
            var whole = Contents();
            Directory.Delete(Output, recursive: true);
            var launches = 0;
            while (Interrupt(options))
            {
                launches++;
            }

            Assert.InRange(launches, 3, 50);
            Assert.Equal(whole, Contents());
            Assert.True(Prepare(options).WasFinished);
            Directory.Delete(Output, recursive: true);
        }
    }

    [Fact]
    public void EachDocumentIsOnTheSideOfItsHash()
    {
        var result = Prepare(Split);

        var share = Split.Validation!;
        Assert.Equal(AllTexts().Where(text => share.Takes(System.Text.Encoding.UTF8.GetBytes(text))), Texts(Path.Combine(Output, "validation")));
        Assert.Equal(AllTexts().Where(text => !share.Takes(System.Text.Encoding.UTF8.GetBytes(text))), Texts(Path.Combine(Output, "train")));
        Assert.Equal((result.Validation!.Rows, 20m), (ShardManifest.Read(Path.Combine(Output, "validation")).Rows, result.Validation.Preparation!.ValidationPercent));
        Assert.Equal(AllTexts().Sum(text => text.Length), result.Manifest.Preparation!.TextBytes + result.Validation.Preparation.TextBytes);
        Assert.Equal((18L, 0L), (result.Manifest.Preparation.LeftOutLines, result.Validation.Preparation.LeftOutLines));
        AssertVerifies(Output);
    }

    [Fact]
    public void SidesDoNotDependOnNamesOrderOrFiles()
    {
        Prepare(Split);
        var (training, kept) = (Texts(Path.Combine(Output, "train")).Order(StringComparer.Ordinal), Texts(Path.Combine(Output, "validation")).Order(StringComparer.Ordinal));
        // All in one file, from last to first.
        TextParquet.Write(_folder.Path("other/z.parquet"), [.. AllTexts().Reverse()]);

        new CorpusPreparation(_tokenizer, Split).Run([_folder.Path("other")], _folder.Path("out2"));

        Assert.Equal(training, Texts(_folder.Path("out2/train")).Order(StringComparer.Ordinal));
        Assert.Equal(kept, Texts(_folder.Path("out2/validation")).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void ASideWithoutDocumentsIsRefusedWithTheCounts()
    {
        var error = Assert.Throws<UsageException>(() => Prepare(Options with { Validation = ValidationShare.Parse("0.0001%") }));

        Assert.Contains("found 222 documents for training and 0 for validation, of which 0.0001 % are wanted; wanted at least one on each side", error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(Output, "manifest.json", SearchOption.AllDirectories));
    }

    [Fact]
    public void PartsThatAreMadeAtTheSameTimeAreOneFolderOfShards()
    {
        PreparationOptions[] parts = [.. Enumerable.Range(1, 4).Select(number => Options with { Part = new CorpusPart(number, 4) })];

        Parallel.ForEach(parts, options => Prepare(options));

        Assert.Equal(["part-1-of-4", "part-2-of-4", "part-3-of-4", "part-4-of-4"],
            Directory.GetDirectories(Output).Select(folder => Path.GetFileName(folder)).Order(StringComparer.Ordinal));
        Assert.Equal(((int[])[0, 4, 1, 5, 2, 3]).SelectMany(TextsOf), Texts(Output));
        Assert.Equal(222, ShardCatalog.Open([new DataSource(Output)]).DocumentCount);
        AssertVerifies(Output);
        Assert.True(Prepare(parts[2]).WasFinished);
        // Their own output below the input, too, is no input.
        Directory.Move(Output, _folder.Path("in/out"));
        Assert.Equal(222, new CorpusPreparation(_tokenizer, Options).Run([_folder.Path("in")], _folder.Path("out3")).Manifest.Rows);

        Directory.Delete(_folder.Path("in/out/part-3-of-4"), recursive: true);
        var shards = ShardFiles.Find(_folder.Path("in/out"));
        string[] missing = [$"{_folder.Path("in/out/part-3-of-4")} is missing, or not finished"];
        Assert.Equal(missing, ManifestCheck.Differences(shards, Verified(shards)));
        Assert.Equal(missing, ShardCatalog.Open([new DataSource(_folder.Path("in/out"))]).Notices);
        // Whoever names one part wants that.
        Assert.Empty(ShardCatalog.Open([new DataSource(_folder.Path("in/out/part-1-of-4"))]).Notices);
    }

    [Fact]
    public void PartsKeepDocumentsForValidationBesideOneAnother()
    {
        foreach (var number in (int[])[2, 1])
        {
            Prepare(Split with { Part = new CorpusPart(number, 2) });
        }

        Assert.Equal(AllTexts().Where(text => Split.Validation!.Takes(System.Text.Encoding.UTF8.GetBytes(text))).Order(StringComparer.Ordinal),
            Texts(Path.Combine(Output, "validation")).Order(StringComparer.Ordinal));
        Assert.True(Directory.Exists(Path.Combine(Output, "train", "part-2-of-2")));
        AssertVerifies(Output);
    }

    [Fact]
    public void WhatDoesNotBelongTogetherIsRefused()
    {
        Prepare(Options with { Part = new CorpusPart(1, 4) });

        Assert.Contains("it is part 1 of 4 of the text, and part 1 of 3 is wanted", Conflict(Options with { Part = new CorpusPart(1, 3) }), StringComparison.Ordinal);
        Assert.Contains("it is part 1 of 4 of the text, and all is wanted", Conflict(Options), StringComparison.Ordinal);
        Assert.Contains("its documents end with the end-of-text id", Conflict(Options with { Part = new CorpusPart(2, 4), AppendEndOfText = false }), StringComparison.Ordinal);
        Assert.Contains("its tokenizer is ", Assert.Throws<PreparationConflictException>(
            () => new CorpusPreparation(Tokenizer("other", 268), Options with { Part = new CorpusPart(2, 4) }).Run([_folder.Path("in")], Output)).Message, StringComparison.Ordinal);
        Assert.Contains("it is part 1 of 4 of the text", Conflict(Split), StringComparison.Ordinal);
        Directory.Delete(Output, recursive: true);

        Prepare(Split);
        Assert.Contains("20 % of its documents are kept for validation", Conflict(Options), StringComparison.Ordinal);
        Assert.Contains("20 % of its documents are kept for validation", Conflict(Split with { Validation = ValidationShare.Parse("10%") }), StringComparison.Ordinal);
        Assert.Contains("its text is that of the column 'text'", Conflict(Split with { Selection = new CorpusSelection { TextColumn = "url" } }), StringComparison.Ordinal);
    }

    [Fact]
    public void ThereIsAFileForEachPart()
    {
        var error = Assert.Throws<UsageException>(() => Prepare(Options with { Part = new CorpusPart(3, 7) }));

        Assert.Contains("found 6 files of text for 7 parts; wanted a file for each", error.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Output));
    }

    [Theory]
    [InlineData("0/4")]
    [InlineData("5/4")]
    [InlineData("3")]
    [InlineData("1/2/3")]
    [InlineData("a/b")]
    public void OtherNamesOfPartsAreRefused(string text)
        => Assert.Contains($"found --shard {text}; wanted i/n", Assert.Throws<UsageException>(() => CorpusPart.Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void AColumnThatIsNotThereEndsItBeforeAnyWork()
    {
        Assert.Throws<UsageException>(() => Prepare(Options with { Selection = new CorpusSelection { TextColumn = "body" } }));

        Assert.False(Directory.Exists(Output));
    }

    [Fact]
    public void ADamagedFileIsNamedAndTheOthersAreInShards()
    {
        var path = _folder.Path("in/2.parquet");
        var content = File.ReadAllBytes(path);
        Prepare(Options);
        var whole = Texts(Output);
        Directory.Delete(Output, recursive: true);
        File.WriteAllBytes(path, content[..(content.Length / 2)]);

        var error = Assert.Throws<InvalidDataException>(() => Prepare(Options));

        Assert.Contains($"1 of 6 files could not be read to their end:\n  {path}: the {content.Length / 2} bytes are no complete Parquet file", error.Message, StringComparison.Ordinal);
        File.WriteAllBytes(path, content);
        Prepare(Options);
        Assert.Equal(whole, Texts(Output));
    }

    private TokenizerModel Tokenizer(string name, int size)
    {
        TokenizerFolder.Save(ByteLevelBpeTrainer.Train(["one two three four one two three four"], size), _folder.Path(name));
        return TokenizerModel.Load(_folder.Path(name));
    }

    private PreparationResult Prepare(PreparationOptions options) => new CorpusPreparation(_tokenizer, options).Run([_folder.Path("in")], Output);

    private string Conflict(PreparationOptions options) => Assert.Throws<PreparationConflictException>(() => Prepare(options)).Message;

    /// <summary>Goes on until one more shard is complete.</summary>
    /// <returns>Whether there is more to do.</returns>
    private bool Interrupt(PreparationOptions options)
    {
        using var stop = new CancellationTokenSource();
        var before = Shards();
        try
        {
            new CorpusPreparation(_tokenizer, options).Run([_folder.Path("in")], Output, _ =>
            {
                if (Shards() > before)
                {
                    stop.Cancel();
                }
            }, stop.Token);
            return false;
        }
        catch (OperationCanceledException)
        {
            return true;
        }

        int Shards() => Directory.Exists(Output) ? Directory.GetFiles(Output, "*.parquet", SearchOption.AllDirectories).Length : 0;
    }

    private static IEnumerable<string> TextsOf(int file) => Enumerable.Range(0, 40).Where(row => row % 13 != 12).Select(row => $"one two three {file} {row % 30}");

    private static string[] AllTexts() => [.. Enumerable.Range(0, 6).SelectMany(TextsOf)];

    private string[] Texts(string folder)
    {
        var texts = new List<string>();
        foreach (var file in ShardFiles.Find(folder).Paths)
        {
            using var shard = TokenShard.Open(file);
            for (var index = 0; index < shard.RowGroupCount; index++)
            {
                var group = shard.ReadRowGroup(index);
                texts.AddRange(Enumerable.Range(0, group.DocumentCount).Select(document => _tokenizer.Decode(group.Document(document)[..^1].ToArray())));
            }
        }

        return [.. texts];
    }

    private static void AssertVerifies(string folder)
    {
        var shards = ShardFiles.Find(folder);
        Assert.Empty(ManifestCheck.Differences(shards, Verified(shards)));
    }

    private static ShardVerification[] Verified(ShardFiles shards) => [.. shards.Paths.Select(path => ShardVerification.Read(path))];

    private SortedDictionary<string, string> Contents() => new(Directory.GetFiles(Output, "*", SearchOption.AllDirectories)
        .ToDictionary(path => Path.GetRelativePath(Output, path), path => Convert.ToHexString(File.ReadAllBytes(path))), StringComparer.Ordinal);
}
