using System.Text.RegularExpressions;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Reporting;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Tests.Reporting;

public sealed class HtmlReportTests
{
    private static readonly RunEnvironment Machine = new()
    {
        Machine = "node-7",
        Processor = "Example CPU @ 3 GHz",
        LogicalProcessors = 2,
        MemoryBytes = 24L << 30,
        OperatingSystem = "Debian GNU/Linux 12",
        Runtime = ".NET 10.0.1",
        TorchVersion = "1.13.1",
        Ranks = 2,
        ThreadsPerRank = 1,
        Commit = "abc1234",
    };

    private static ReportContent Content => new()
    {
        RunName = "books",
        Records = [StepRecords.At(0, 8.3174), StepRecords.At(10), StepRecords.At(20, 4.75), StepRecords.At(30, 4.25)],
        PlannedSteps = 30,
        ConfigurationYaml = "run:\n  name: books\n",
        Environment = Machine,
        WrittenAt = new DateTimeOffset(2026, 3, 4, 15, 6, 0, TimeSpan.FromHours(1)),
        ResumedAfterSteps = [20],
        ParameterCount = 5_240_000,
        SamplePrompt = "Gets the",
        SampleText = " number of elements.",
    };

    [Fact]
    public void ReportShowsNumbersChartsSampleConfigurationAndEnvironment()
    {
        var html = HtmlReport.Render(Content);

        Assert.Contains("30 steps, complete, 5.24 M parameters, resumed after step 20", html);
        Assert.Contains("8.317 → 4.250", html);

        // 3 logged steps of 10 at 2 seconds each.
        Assert.Contains("<span>Time in steps</span><b>1m 00s</b>", html);
        Assert.Contains("<span>Tokens</span><b>30 k</b>", html);
        Assert.Contains("<span>Tokens per second</span><b>500</b>", html);
        // Loss twice, gradient norm, throughput, learning rate, step time.
        Assert.Equal(6, Regex.Count(html, "<svg "));
        Assert.Contains("<pre class=\"sample\"><b>Gets the</b> number of elements.</pre>", html);
        Assert.Contains("run:\n  name: books\n</pre>", html);
        Assert.All(Machine.Rows(), row => Assert.Contains($"<tr><th>{row.Name}</th><td>{row.Value}</td></tr>", html));
        Assert.Contains("2026-03-04 14:06 UTC", html);
    }

    [Fact]
    public void RatesAreShownWhereTheyAreKnownAndEachUnderItsOwnName()
    {
        var known = HtmlReport.Render(Content with
        {
            Records = [.. Content.Records.Select(record => record with { TflopsPerRank = 0.0341, Mfu = 0.4067, MatmulShare = 0.62, TokensPerSecondPerRank = 250 })],
        });
        var unknown = HtmlReport.Render(Content);

        Assert.Contains("<span>Tokens per second a rank</span><b>250</b>", known);
        Assert.Contains("<span>TFLOP/s a rank</span><b>0.0341</b>", known);
        Assert.Contains("<span>MFU</span><b>40.7 %</b>", known);
        Assert.Contains("<span>Of best matrix product</span><b>62.0 %</b>", known);
        Assert.DoesNotContain("<span>MFU</span>", unknown);
        Assert.DoesNotContain("matrix product", unknown);
    }

    [Fact]
    public void ProbesAddTheirCurveMapsAndScalars()
    {
        var records = Content.Records.ToList();
        records[1] = records[1] with { Probe = StepRecords.Probe(accuracy: 0.1) };
        records[2] = records[2] with { Probe = StepRecords.Probe(accuracy: 0.9) };
        var html = HtmlReport.Render(Content with { Records = records });

        // Loss twice, induction, two maps, two scatters, gradient norm, throughput, learning rate, step time.
        Assert.Equal(11, Regex.Count(html, "<svg "));
        Assert.Contains("<title>step 20: 0.9</title>", html);
        Assert.Contains("<title>layer 0, head 1: 0.875</title>", html);
        Assert.Contains("<title>layer 1, head 2: 0.250</title>", html);
        // Heads 0 and 1 read kv head 0; the best of them scores 0.875 and marks the point of its keys and of its values.
        Assert.Contains("<title>layer 0, kv head 0: current 0.250, previous 0.750, prefix matching 0.875</title>", html);
        Assert.Equal(2, Regex.Count(html, "class=\"marked\"[^>]*><title>layer"));
        Assert.Equal(2, Regex.Count(html, "class=\"point\"[^>]*><title>layer"));
    }

    [Fact]
    public void ProbesOfAModelWithoutAShiftHaveNoScalars()
    {
        var scores = StepRecords.Probe(accuracy: 0.5).Scores;
        var vanilla = new ProbeRecord(scores with { Layers = [.. scores.Layers.Select(layer => layer with { KeyShift = null, ValueShift = null })] }, 1);

        var html = HtmlReport.Render(Content with { Records = [StepRecords.At(10) with { Probe = vanilla }] });

        Assert.Equal(9, Regex.Count(html, "<svg "));
    }

    [Fact]
    public void HeadsThatDoNothingYetAreASentence()
    {
        var quiet = StepRecords.Probe(accuracy: 0.01).Scores;
        quiet = quiet with { Layers = [.. quiet.Layers.Select(layer => layer with { PrefixMatching = [0.01f, 0.02f, 0, 0.01f] })] };
        var html = HtmlReport.Render(Content with { Records = [StepRecords.At(10) with { Probe = new ProbeRecord(quiet, 1) }] });

        Assert.Contains("Not yet: when the model was last asked", html);
        Assert.Contains("after step 10, it was right 1.0 % of the time, and its best head looked for the place to copy from with a weight of 0.02", html);
        Assert.DoesNotContain("prefix matching", html);
    }

    [Fact]
    public void ChartsThatHaveSomethingToSayAreThereAndOthersAreNot()
    {
        StepRecord[] records = [.. Content.Records.Select(record => record with
        {
            DataWaitFraction = 0.05,
            CommunicationExposedSeconds = 0.5,
            SaveSeconds = record.Step > 10 ? 1.5 : null,
            PeakMemoryBytes = (record.Step + 1) << 20,
        })];
        var told = HtmlReport.Render(Content with { Records = records, ClipNorm = 1, Checkpoints = [10, 20] });
        var plain = HtmlReport.Render(Content with { Records = [.. Content.Records.Select(record => record with { DataWaitFraction = 0.001 })] });

        foreach (var title in (string[])["aria-label=\"Waiting\"", "for other ranks", "Training waited for saves", "Peak memory of the first rank", "clipped above", "checkpoint of step 20"])
        {
            Assert.Contains(title, told);
            Assert.DoesNotContain(title, plain);
        }
    }

    [Fact]
    public void AReportOfARunThatGoesOnLooksAgain()
    {
        Assert.Contains("http-equiv=\"refresh\"", HtmlReport.Render(Content with { IsRunning = true }));
        Assert.DoesNotContain("refresh", HtmlReport.Render(Content));
    }

    [Fact]
    public void SettingsThatAreNotTheDefaultStandFirst()
    {
        var html = HtmlReport.Render(Content with { ChangedSettings = [("run.steps", "30", null), ("optimizer.lr", "0.5", "0.0002")] });

        Assert.Contains("<tr><th>run.steps</th><td>30</td></tr>", html);
        Assert.Contains("<tr><th>optimizer.lr</th><td>0.5 <small>default 0.0002</small></td></tr>", html);
    }

    [Fact]
    public void ReportNeedsNothingFromElsewhere()
    {
        var html = HtmlReport.Render(Content);

        Assert.DoesNotContain("<script", html);
        Assert.DoesNotContain("<link", html);
        Assert.DoesNotContain("src=", html);
        Assert.DoesNotContain("url(", html);
        Assert.DoesNotContain("@import", html);
        Assert.All(Regex.Matches(html, "https?://[^\"]*"), address => Assert.Equal("http://www.w3.org/2000/svg", address.Value));
    }

    [Fact]
    public void EverythingFromOutsideIsEscaped()
    {
        const string attack = "<script>alert('x')</script>\"&";

        var html = HtmlReport.Render(Content with
        {
            RunName = attack,
            ConfigurationYaml = attack,
            SamplePrompt = attack,
            SampleText = attack + "\u0001\uD800",
            Environment = Machine with { Machine = attack, Commit = attack },
        });

        Assert.DoesNotContain("<script", html);
        Assert.Equal(7, Regex.Count(html, "&lt;script&gt;alert\\(&#39;x&#39;\\)&lt;/script&gt;&quot;&amp;"));
        Assert.DoesNotContain('\u0001', html);
        Assert.Contains("\uFFFD\uFFFD", html);
    }

    [Fact]
    public void RunThatHasNotStartedHasAReport()
    {
        var html = HtmlReport.Render(Content with
        {
            Records = [],
            ResumedAfterSteps = [],
            SampleText = null,
            ParameterCount = null,
        });

        Assert.Contains("0 of 30 steps</p>", html);
        Assert.Contains("Nothing is logged yet.", html);
        Assert.DoesNotContain("Sample", html);
    }

    [Fact]
    public void SavedReportIsWholeAndUtf8()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("report.html");

        HtmlReport.Save(Content with { SampleText = " ☃" }, path);

        var text = File.ReadAllText(path);
        Assert.StartsWith("<!DOCTYPE html>", text);
        Assert.Contains("<meta charset=\"utf-8\">", text);
        Assert.Contains(" ☃", text);
        Assert.EndsWith("</html>\n", text);
    }
}
