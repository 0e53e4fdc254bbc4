using System.Text.Json;
using KvShiftScale.Core;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>A document that fills many steps is told of, by <c>data inspect</c> and at the start of a run.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class LongDocumentTests(TrainingFixture fixture)
{
    [Fact]
    public void ItsRowsAndStepsAreToldWhereTheyMatter()
    {
        var folder = Prepare("long-documents");
        var tokens = LongestOf(folder);
        Assert.InRange(tokens, 1000, 10_000);
        var rows = $"{tokens / 48} rows of 48";
        var steps = $"{tokens / 48 / 4.0:N0} steps on end";
        var glob = $"data.train=[{folder}/*.parquet]";

        using var mixed = ProgramRun.Execute(ExitCode.Done, fixture.TrainArguments("long-mixed", "run.steps=1", glob));
        using var sequential = ProgramRun.Execute(ExitCode.Done,
            fixture.TrainArguments("long-sequential", "run.steps=1", "data.row_order=sequential", glob));
        using var wide = ProgramRun.Execute(ExitCode.Done, fixture.TrainArguments("long-wide", "run.steps=1", "data.global_batch=256", "data.micro_batch=64", glob));

        Assert.Contains($"the longest document, {tokens:N0} tokens, fills {rows}, {steps} if rows were not mixed; mixed, they are spread over about ",
            mixed.Output, StringComparison.Ordinal);
        Assert.Contains($"the longest document, {tokens:N0} tokens, fills {rows}, {steps}: the loss of these steps is that of one text",
            sequential.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("longest document", wide.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void ShortDocumentsAreNoNews()
    {
        using var train = ProgramRun.Execute(ExitCode.Done, fixture.TrainArguments("long-none", "run.steps=1"));

        Assert.DoesNotContain("longest document", train.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new string[0], 1024, 32)]
    [InlineData(new[] { "--context", "48", "--global-batch", "4" }, 48, 4)]
    [InlineData(new[] { "--context", "100" }, 100, 32)]
    public void InspectTellsTheRowsAndStepsOfTheLongest(string[] options, int context, int batch)
    {
        var folder = Prepare("long-inspected");
        var rows = LongestOf(folder) / context;

        using var inspect = ProgramRun.Execute(ExitCode.Done, ["data", "inspect", folder, .. options]);

        Assert.Matches($@"the longest +fills {rows:N0} rows of {context:N0}, {(double)rows / batch:N1} steps of {batch} rows on end if rows were not mixed",
            inspect.Output.ReplaceLineEndings(" "));
    }

    [Theory]
    [InlineData("--context", "0")]
    [InlineData("--context", "-1")]
    [InlineData("--global-batch", "0")]
    public void InspectRefusesSizesThatAreNone(string option, string value)
    {
        using var inspect = ProgramRun.Execute(ExitCode.Usage, "data", "inspect", fixture.TrainingShard, option, value);

        Assert.Contains($"found {option} {value}; wanted at least 1", inspect.Error, StringComparison.Ordinal);
    }

    // Every training text in one document, and each of them once more.
    private string Prepare(string name)
    {
        var folder = fixture.PathOf(name);
        if (!Directory.Exists(folder))
        {
            var texts = TrainingFixture.TrainingTexts.Prepend(string.Join('\n', TrainingFixture.TrainingTexts));
            File.WriteAllLines($"{folder}.jsonl", texts.Select(text => JsonSerializer.Serialize(new { text })));
            ProgramRun.Execute(ExitCode.Done, "data", "prepare", "--input", $"{folder}.jsonl", "--tokenizer", fixture.TokenizerPath, "--output", folder).Dispose();
        }

        return folder;
    }

    private static int LongestOf(string folder)
    {
        using var manifest = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "manifest.json")));
        return manifest.RootElement.GetProperty("lengths").GetProperty("longest").GetInt32();
    }
}
