using System.Text.Json;
using KvShiftScale.Core;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

[Collection(nameof(EndToEndGroup))]
public sealed class EvaluationTests(TrainingFixture fixture)
{
    [Fact]
    public void ResultIsTheRunsLastValidationOverEveryTarget()
    {
        var (loss, tokens, perplexity) = Evaluate();

        // A document of L tokens has L - 1 targets.
        Assert.Equal(fixture.Encode(TrainingFixture.ValidationTexts).Sum(ids => ids.Length - 1), tokens);
        AssertClose(fixture.OneRank.Last.ValidationLoss!.Value, loss);
        AssertClose(Math.Exp(loss), perplexity);
    }

    [Theory]
    [InlineData("1")]
    [InlineData("3")]
    public void MicroBatchDoesNotMatter(string rows)
    {
        var expected = Evaluate();
        var (loss, tokens, _) = Evaluate("--set", $"data.micro_batch={rows}");

        Assert.Equal(expected.Tokens, tokens);
        AssertClose(expected.Loss, loss);
    }

    [Fact]
    public void RanksShareTheRows()
    {
        var expected = Evaluate();

        var output = MpiRun.Execute(2, ProgramRun.KvShift, ["eval", "--model", fixture.ModelPath, "--data", fixture.ValidationShard]);

        var (loss, tokens, _) = Parse(Assert.Single(output.Split('\n'), line => line.StartsWith('{')));
        Assert.Equal(expected.Tokens, tokens);
        AssertClose(expected.Loss, loss);
    }

    [Fact]
    public void VanillaLeavesTheShiftOut()
    {
        var expected = Evaluate();
        var (loss, tokens, _) = Evaluate("--vanilla");

        Assert.Equal(expected.Tokens, tokens);
        Assert.True(Math.Abs(loss - expected.Loss) > 1e-3, $"vanilla {loss}, shifted {expected.Loss}");
    }

    private (double Loss, long Tokens, double Perplexity) Evaluate(params string[] more)
    {
        using var run = ProgramRun.Execute(ExitCode.Done, ["eval", "--model", fixture.ModelPath, "--data", fixture.ValidationShard, .. more]);
        return Parse(run.LastLine);
    }

    private static (double Loss, long Tokens, double Perplexity) Parse(string line)
    {
        using var json = JsonDocument.Parse(line);
        Assert.Equal(["loss", "tokens", "perplexity"], json.RootElement.EnumerateObject().Select(field => field.Name));
        return (json.RootElement.GetProperty("loss").GetDouble(), json.RootElement.GetProperty("tokens").GetInt64(),
            json.RootElement.GetProperty("perplexity").GetDouble());
    }

    private static void AssertClose(double expected, double found)
        => Assert.True(Math.Abs(found - expected) <= 1e-6 * expected, $"found {found:R}, wanted {expected:R}");
}
