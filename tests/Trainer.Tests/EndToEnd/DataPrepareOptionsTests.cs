using System.Text.Json;
using KvShiftScale.Core;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>What <c>data prepare</c> takes for input, and where it puts documents.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class DataPrepareOptionsTests(TrainingFixture fixture) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ParquetOfAHubBecomesTrainingAndValidation()
    {
        WriteParquet("hub/a.parquet", [.. TrainingFixture.TrainingTexts, null]);

        using (var prepare = Prepare(ExitCode.Done, "hub", "--validation", "20%"))
        {
            Assert.Contains("1 lines or rows are no documents and were left out:", prepare.Error, StringComparison.Ordinal);
            Assert.Contains($"a.parquet, row {TrainingFixture.TrainingTexts.Count}: column 'text' is null", prepare.Error, StringComparison.Ordinal);
            Assert.Contains(" for validation in 2 shards of ", prepare.Error, StringComparison.Ordinal);
        }

        Assert.Equal(TrainingFixture.TrainingTexts.Count, Rows("out"));
        Assert.InRange(Rows("out/validation"), 1, TrainingFixture.TrainingTexts.Count / 2);
    }

    [Fact]
    public void ATokenizerIsTrainedBesideTheShardsAndKeptForTheNextTime()
    {
        Write("doc/a.txt", string.Join('\n', TrainingFixture.TrainingTexts));
        string[] arguments = ["data", "prepare", "--input", _folder.PathOf("doc"), "--output", _folder.PathOf("out"), "--vocab-size"];

        Assert.Contains("ids in", CommandRun.Execute(ExitCode.Done, [.. arguments, "300"]).Error);
        Assert.Contains("is finished", CommandRun.Execute(ExitCode.Done, [.. arguments, "300"]).Error);

        Assert.Contains("found a tokenizer of 300 ids", CommandRun.Execute(ExitCode.Usage, [.. arguments, "301"]).Error);
        Assert.Contains("wanted one of them", CommandRun.Execute(ExitCode.Usage, [.. arguments, "300", "--tokenizer", "gpt2"]).Error);
        Assert.Contains("wanted one tokenizer for all parts", CommandRun.Execute(ExitCode.Usage, [.. arguments, "300", "--shard", "1/2"]).Error);
        Assert.Contains("found neither --tokenizer nor --vocab-size", CommandRun.Execute(ExitCode.Usage, arguments[..^1]).Error);
        // What makes a configuration finds both.
        var written = CommandRun.Execute(ExitCode.Done, "new", "mine", "--data", _folder.PathOf("out"), "--output", _folder.PathOf("mine.yaml"));
        Assert.DoesNotContain("no tokenizer found", written.Error);
    }

    [Fact]
    public void ParquetWithoutTheTextIsRefusedWithItsColumns()
    {
        WriteParquet("hub/a.parquet", ["one"]);

        using var run = Prepare(ExitCode.Usage, "hub", "--text-column", "content");

        Assert.Contains("a.parquet: there is no column content; its columns are: id, text. Name the column that holds the text with --text-column", run.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.PathOf("out")));
    }

    [Fact]
    public void FilesOfAnyNameAreTextWhenOneSaysSo()
    {
        Write("doc/README", "read me");
        Write("doc/deep/copyright", "all rights");
        Write("doc/deep/index.html", "<html>");
        using (var unknown = Prepare(ExitCode.Usage, "doc"))
        {
            Assert.Contains("With --as text, jsonl or parquet files of any name are read.", unknown.Error, StringComparison.Ordinal);
        }

        using var run = Prepare(ExitCode.Done, "doc", "--as", "text", "--exclude", "*.html", "--exclude", "*.png");

        Assert.Equal(2, Rows("out"));
        using var wrong = Prepare(ExitCode.Usage, "doc", "--as", "html");
        Assert.Contains("found --as html; wanted text, jsonl, parquet", wrong.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void BadLinesArePassedOverAndNamedWhenOneSaysSo()
    {
        Write("in/a.jsonl", "{\"text\":\"one\"}\nno JSON\n{\"body\":\"two\"}\n{\"text\":\"three\"}\n");

        using var run = Prepare(ExitCode.Done, "in", "--skip-bad");

        Assert.Contains("2 lines or rows are no documents and were left out:", run.Error, StringComparison.Ordinal);
        Assert.Contains("a.jsonl, line 2: found 'no JSON', which is not JSON", run.Error, StringComparison.Ordinal);
        Assert.Contains("a.jsonl, line 3: no field 'text'; found 'body'", run.Error, StringComparison.Ordinal);
        using var manifest = JsonDocument.Parse(File.ReadAllText(_folder.PathOf("out", "manifest.json")));
        Assert.Equal(2, manifest.RootElement.GetProperty("preparation").GetProperty("left_out_lines").GetInt64());
    }

    [Fact]
    public void PartsOfACorpusAreOneFolderOfShards()
    {
        foreach (var (texts, file) in TrainingFixture.TrainingTexts.Chunk(20).Select((texts, file) => (texts, file)))
        {
            Write($"in/{file}.jsonl", string.Concat(texts.Select(text => JsonSerializer.Serialize(new { text }) + "\n")));
        }

        // All at the same time.
        var runs = Enumerable.Range(1, 3).Select(number => ProgramRun.Start([.. Arguments("in"), "--shard", $"{number}/3"])).ToArray();
        foreach (var run in runs)
        {
            using (run)
            {
                Assert.Equal(ExitCode.Done, run.WaitForEnd());
            }
        }

        Assert.Equal(TrainingFixture.TrainingTexts.Count, Rows("out"));
        using (var inspect = ProgramRun.Execute(ExitCode.Done, "data", "inspect", _folder.PathOf("out")))
        {
            Assert.Contains($"3 in {_folder.PathOf("out")}", inspect.Output, StringComparison.Ordinal);
        }

        Directory.Delete(_folder.PathOf("out", "part-2-of-3"), recursive: true);
        using var verify = ProgramRun.Execute(ExitCode.Failed, "data", "verify", _folder.PathOf("out"));
        Assert.Contains("part-2-of-3 is missing, or not finished", verify.Error, StringComparison.Ordinal);
    }

    private long Rows(string folder)
    {
        using var verify = ProgramRun.Execute(ExitCode.Done, "data", "verify", _folder.PathOf(folder));
        return JsonDocument.Parse(verify.LastLine).RootElement.GetProperty("rows").GetInt64();
    }

    private ProgramRun Prepare(int code, string input, params string[] more) => ProgramRun.Execute(code, [.. Arguments(input), .. more]);

    private string[] Arguments(string input)
        => ["data", "prepare", "--input", _folder.PathOf(input), "--tokenizer", fixture.TokenizerPath, "--output", _folder.PathOf("out"), "--threads", "1"];

    private void Write(string name, string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder.PathOf(name))!);
        File.WriteAllText(_folder.PathOf(name), content);
    }

    private void WriteParquet(string name, string?[] texts)
    {
        Write(name, "");
        using var file = new ParquetSharp.ParquetFileWriter(_folder.PathOf(name), [new ParquetSharp.Column<int>("id"), new ParquetSharp.Column<string?>("text")]);
        using var group = file.AppendRowGroup();
        using (var ids = group.NextColumn().LogicalWriter<int>())
        {
            ids.WriteBatch([.. Enumerable.Range(0, texts.Length)]);
        }

        using (var values = group.NextColumn().LogicalWriter<string?>())
        {
            values.WriteBatch(texts);
        }

        file.Close();
    }
}
