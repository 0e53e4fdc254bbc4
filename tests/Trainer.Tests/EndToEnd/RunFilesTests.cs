using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>What a finished run leaves for people and scripts.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed partial class RunFilesTests(TrainingFixture fixture)
{
    [Fact]
    public void ReportIsOneFileWithCurvesAndConfiguration()
    {
        var html = File.ReadAllText(fixture.OneRank.PathOf("report.html"));

        // Names of XML vocabularies are not loaded; everything that would be is refused.
        Assert.DoesNotMatch(Loads(), html);
        Assert.DoesNotContain("<script", html);
        var pictures = Picture().Matches(html).Select(match => match.Value).ToArray();
        Assert.Contains(pictures, picture => picture.Contains("Loss", StringComparison.OrdinalIgnoreCase));
        Assert.Contains(pictures, picture => picture.Contains("Tokens per second", StringComparison.OrdinalIgnoreCase));
        Assert.All(pictures, picture => Assert.Matches("<(path|polyline|circle)", picture));
        var text = WebUtility.HtmlDecode(html);
        Assert.Contains(File.ReadAllText(fixture.OneRank.PathOf("config.yaml")).Trim(), text);
        Assert.Contains("global_batch: 4", text);
        Assert.Contains("20 steps, complete", text);
    }

    [Fact]
    public void SummaryHasTheNumbersOfTheLog()
    {
        using var json = JsonDocument.Parse(File.ReadAllText(fixture.OneRank.PathOf("summary.json")));
        var summary = json.RootElement;
        var records = fixture.OneRank.Records;

        Assert.Equal(20, summary.GetProperty("step").GetInt64());
        // 20 steps of 4 rows of 48 tokens.
        Assert.Equal(20 * 4 * 48, summary.GetProperty("tokens").GetInt64());
        Assert.True(summary.GetProperty("finished").GetBoolean());
        Assert.InRange(summary.GetProperty("first_validation_loss").GetDouble(), 5.6, 5.8);
        Assert.Equal(records[^1].ValidationLoss, summary.GetProperty("last_validation_loss").GetDouble());
        Assert.Equal(records[^1].Loss, summary.GetProperty("last_loss").GetDouble());
        var rates = records.Select(record => record.TokensPerSecond).Order().ToArray();
        Assert.Equal((rates[9] + rates[10]) / 2, summary.GetProperty("median_tokens_per_second").GetDouble(), 1e-6);
        Assert.Equal(records.Sum(record => record.StepSeconds), summary.GetProperty("training_seconds").GetDouble(), 1e-9);
    }

    [Fact]
    public void LogValidatesWhenAskedAndCheckpointsHoldAllOfTheRun()
    {
        Assert.Equal([10L, 20L], fixture.OneRank.Records.Where(record => record.ValidationLoss is not null).Select(record => record.Step));
        Assert.Equal(
            [fixture.OneRank.Checkpoint(8), fixture.OneRank.Checkpoint(16), fixture.OneRank.Checkpoint(20)],
            Directory.GetDirectories(fixture.OneRank.PathOf("checkpoints")).Order(StringComparer.Ordinal));
        Assert.All(
            ["config.json", "manifest.json", "rank-00000.safetensors", "state.json", "config.yaml", "tokenizer.json"],
            name => Assert.True(File.Exists(Path.Combine(fixture.ModelPath, name)), name));
    }

    [GeneratedRegex("""(src|href|srcset|action)\s*=|url\(|@import""", RegexOptions.IgnoreCase)]
    private static partial Regex Loads();

    [GeneratedRegex("<svg.*?</svg>", RegexOptions.Singleline)]
    private static partial Regex Picture();
}
