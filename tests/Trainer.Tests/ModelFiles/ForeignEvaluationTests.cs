using KvShiftScale.Core;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Tests.EndToEnd;

namespace KvShiftScale.Trainer.Tests.ModelFiles;

/// <summary>Models and shards of other programs against a float64 computation in NumPy.</summary>
public sealed class ForeignEvaluationTests
{
    // float32 rounds each operation by 6e-8 of its result; over a thousand targets the errors of single losses, near 1e-6, average out.
    private const double Tolerance = 2e-6;

    public static TheoryData<string, bool, int> Cases()
    {
        var cases = new TheoryData<string, bool, int>();
        foreach (var model in (string[])["kvshift", "llama", "baichuan", "baichuan-sliding"])
        {
            foreach (var vanilla in (bool[])[false, true])
            {
                foreach (var context in (int[])[ReferenceFiles.Context, 7])
                {
                    cases.Add(model, vanilla, context);
                }
            }
        }
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void LossIsTheReferences(string model, bool vanilla, int context)
    {
        string[] options = [.. vanilla ? ["--vanilla"] : Array.Empty<string>(), .. context == ReferenceFiles.Context ? [] : (string[])["--set", $"data.context={context}"]];

        foreach (var data in (string[])["duckdb-int64.parquet", "arrow-uint16.parquet"])
        {
            var found = CommandRun.Evaluate(ReferenceFiles.PathOf(model), ReferenceFiles.PathOf(data), options);
            AssertClose(ReferenceFiles.Expected(model, vanilla, context), found);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(1000)]
    public void MicroBatchChangesNothing(int rows)
        => AssertClose(ReferenceFiles.Expected("kvshift"),
            CommandRun.Evaluate(ReferenceFiles.PathOf("kvshift"), ReferenceFiles.PathOf("arrow-uint16.parquet"), "--set", $"data.micro_batch={rows}"));

    [Fact]
    public void ShiftMatters()
        => Assert.True(Math.Abs(ReferenceFiles.Expected("kvshift").Loss - ReferenceFiles.Expected("kvshift", vanilla: true).Loss) > 100 * Tolerance);

    [Fact]
    public void FolderOfShardsIsAllOfThem()
    {
        using var folder = new TemporaryFolder();
        foreach (var name in (string[])["duckdb-int64.parquet", "arrow-uint16.parquet"])
        {
            File.Copy(ReferenceFiles.PathOf(name), folder.PathOf(name));
        }

        var (loss, tokens) = ReferenceFiles.Expected("kvshift");

        AssertClose((loss, 2 * tokens), CommandRun.Evaluate(ReferenceFiles.PathOf("kvshift"), folder.Path));
        AssertClose((loss, 2 * tokens), CommandRun.Evaluate(ReferenceFiles.PathOf("kvshift"), folder.PathOf("*.parquet")));
    }

    [Fact]
    public void ContextBeyondTheModelsOwnIsAllowed()
    {
        // Rotary positions go on; a document of 150 tokens is then one window. What comes out is another loss over the same targets.
        var (loss, tokens) = CommandRun.Evaluate(ReferenceFiles.PathOf("kvshift"), ReferenceFiles.PathOf("arrow-uint16.parquet"), "--set", "data.context=10000000");

        Assert.Equal(ReferenceFiles.Expected("kvshift").Tokens, tokens);
        Assert.True(Math.Abs(loss - ReferenceFiles.Expected("kvshift").Loss) > 1e-4);
    }

    [Fact]
    public void RanksShareTheRowsAndAgree()
    {
        var output = MpiRun.Execute(3, ProgramRun.KvShift,
            ["eval", "--model", ReferenceFiles.PathOf("kvshift"), "--data", ReferenceFiles.PathOf("duckdb-int64.parquet"), "--set", "data.micro_batch=2"]);

        var line = Assert.Single(output.Split('\n'), line => line.StartsWith('{'));
        using var json = System.Text.Json.JsonDocument.Parse(line);
        AssertClose(ReferenceFiles.Expected("kvshift"), (json.RootElement.GetProperty("loss").GetDouble(), json.RootElement.GetProperty("tokens").GetInt64()));
    }

    [Fact]
    public void IdBeyondTheVocabularyIsNamed()
    {
        var run = CommandRun.Execute(ExitCode.Usage, "eval", "--model", ReferenceFiles.PathOf("kvshift"), "--data", ReferenceFiles.PathOf("beyond-vocabulary.parquet"));

        Assert.Contains("beyond-vocabulary.parquet: row group 0 has ids from 1 to 97, as the footer states; wanted ids in [0, 97)", run.Error);
        Assert.Equal("", run.Output);
    }

    [Fact]
    public void IdentityShiftIsSaid()
    {
        var run = CommandRun.Execute(ExitCode.Done, "eval", "--model", ReferenceFiles.PathOf("llama"), "--data", ReferenceFiles.PathOf("duckdb-int64.parquet"));

        Assert.Contains("no shift tensors", run.Error);
        Assert.Contains("identity", run.Error);
        var scaled = CommandRun.Execute(ExitCode.Done, "eval", "--model", ReferenceFiles.PathOf("baichuan"), "--data", ReferenceFiles.PathOf("duckdb-int64.parquet"));
        Assert.Contains("rows of the output head are scaled to length 1", scaled.Error);
    }

    internal static void AssertClose((double Loss, long Tokens) expected, (double Loss, long Tokens) found)
    {
        Assert.Equal(expected.Tokens, found.Tokens);
        Assert.True(Math.Abs(found.Loss - expected.Loss) <= Tolerance * expected.Loss,
            $"found {found.Loss:R}, wanted {expected.Loss:R}: {Math.Abs(found.Loss / expected.Loss - 1):E2} relative");
    }
}
