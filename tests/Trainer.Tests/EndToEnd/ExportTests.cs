using System.Globalization;
using KvShiftScale.Core;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Telemetry;
using KvShiftScale.Trainer.Tests.Telemetry;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

[Collection(nameof(EndToEndGroup))]
public sealed class ExportTests(TrainingFixture fixture)
{
    [Fact]
    public void EveryRankReachesTheCollectorWithWhatIsItsOwn()
    {
        using var collector = new OtlpReceiver();

        var run = fixture.TrainOnTwoRanks("exported", $"telemetry.otlp_endpoint={collector.Endpoint}");

        var metrics = collector.Metrics;
        Assert.Equal(["0", "1"], metrics.Resources.Values.Select(resource => resource["kvshift.rank"]).Order());
        var id = Assert.Single(metrics.Resources.Values.Select(resource => resource["kvshift.run.id"]).Distinct());
        Assert.Equal(id, File.ReadAllText(run.PathOf("run-id")).Trim());
        // What is the same on all ranks comes from the first alone.
        string[] global = ["kvshift.train.loss", "kvshift.train.step", "kvshift.train.grad_norm", "kvshift.train.learning_rate", "kvshift.train.tokens_per_second",
            "kvshift.train.tflops_per_rank", "kvshift.train.matmul_share", "kvshift.validation.loss", "kvshift.checkpoint.duration"];
        Assert.All(global, name => Assert.Equal("0", Assert.Single(metrics.ValuesOf(name)).Rank));
        Assert.Equal(run.Last.Loss.ToString(CultureInfo.InvariantCulture), Assert.Single(metrics.ValuesOf("kvshift.train.loss")).Value);
        // Nobody knows what these processors can do at most.
        Assert.Empty(metrics.ValuesOf("kvshift.train.mfu"));
        Assert.All(metrics.ValuesOf("kvshift.train.step.duration"), value => Assert.StartsWith($"{TrainingFixture.Steps} x ", value.Value));
        // Steps 8, 16 and the last, which is saved after the last line.
        Assert.All(metrics.ValuesOf("kvshift.checkpoint.wait"), value => Assert.StartsWith("3 x ", value.Value));
        Assert.StartsWith("3 x ", Assert.Single(metrics.ValuesOf("kvshift.checkpoint.duration")).Value);

        const string Meetings = "{group=world,operation=all_reduce}";
        const string Reductions = "{group=replicas,operation=all_reduce}";
        var calls = metrics.ValuesOf("kvshift.collective.calls" + Meetings);
        Assert.Equal(["0", "1"], calls.Select(value => value.Rank));
        Assert.Equal(calls[0].Value, calls[1].Value);
        Assert.Equal("{call}", metrics.Newest["kvshift.collective.calls" + Meetings].Unit);
        // In each step its numbers, the agreement on them, and what ranks tell of signals and saves.
        Assert.True(Number(calls[0].Value) >= 3 * TrainingFixture.Steps, calls[0].Value);
        // In three validations, at 0, 10 and 20, the loss.
        Assert.All(metrics.ValuesOf("kvshift.collective.calls" + Reductions), value => Assert.True(Number(value.Value) >= 3, value.Value));
        // Gradients travel beside backward, in groups of their own, each rank's part to that rank.
        const string Beside = "{group=replicas beside,operation=reduce_scatter}";
        const int GradientBytes = 38_000 * sizeof(float);
        var bytes = Number(metrics.Newest["kvshift.collective.bytes" + Reductions].Value) + Number(metrics.Newest["kvshift.collective.bytes" + Beside].Value);
        Assert.InRange(bytes, TrainingFixture.Steps * GradientBytes * 0.9, TrainingFixture.Steps * GradientBytes * 1.1);
        Assert.True(Number(metrics.Newest["kvshift.collective.seconds" + Reductions].Value) > 0);

        static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
    }

    [Theory]
    [InlineData("data", 2)]
    [InlineData("tensor", 2, "parallel.tensor=2")]
    [InlineData("context", 2, "parallel.context=2")]
    [InlineData("padded", 2, "data.packing=pad")]
    [InlineData("pipeline", 2, "parallel.pipeline=2")]
    [InlineData("both", 4, "parallel.tensor=2", "data.packing=pad", "run.steps=5")]
    [InlineData("all", 8, "parallel.tensor=2", "parallel.context=2", "data.packing=pad", "run.steps=3")]
    public void TokensOfAllRanksAddUpToTheRuns(string layout, int ranks, params string[] settings)
    {
        using var collector = new OtlpReceiver();
        var name = $"sum-{layout}";

        // Steps between lines count too.
        MpiRun.Execute(ranks, ProgramRun.KvShift, fixture.TrainArguments(name, ["run.log_every=7", "run.validate_every=0", .. settings, $"telemetry.otlp_endpoint={collector.Endpoint}"]));

        var run = fixture.RunOf(name);
        Assert.Equal(run.Last.Tokens, collector.Metrics.SumOf("kvshift.train.tokens"));
        var shares = collector.Metrics.ValuesOf("kvshift.train.tokens").Select(value => long.Parse(value.Value, CultureInfo.InvariantCulture)).ToArray();
        Assert.Equal(ranks, shares.Length);
        Assert.All(shares, share => Assert.InRange(share, 1, run.Last.Tokens - 1));
        Assert.Equal(ranks, collector.Metrics.Resources.Values
            .Select(resource => (resource["kvshift.pipeline_index"], resource["kvshift.data_index"], resource["kvshift.context_index"], resource["kvshift.tensor_index"])).Distinct().Count());
    }

    [Fact]
    public void LaunchThatGoesOnCountsWhatItHasDoneItself()
    {
        const string name = "counted-on";
        string[] settings = ["run.log_every=3", "run.validate_every=0"];
        using (new InjectedEnvironment("poison@batch:3; poison@batch:5"))
        {
            MpiRun.Execute(2, ProgramRun.KvShift, fixture.TrainArguments(name, [.. settings, "run.steps=8", "optimizer.decay=constant"]));
        }

        var before = fixture.RunOf(name).Last;
        Assert.Equal(2, before.SkippedSteps);
        using var collector = new OtlpReceiver();
        using (new InjectedEnvironment("poison@batch:13"))
        {
            MpiRun.Execute(2, ProgramRun.KvShift, fixture.TrainArguments(
                name, [.. settings, "run.steps=16", "optimizer.decay=constant", $"telemetry.otlp_endpoint={collector.Endpoint}", "telemetry.export_interval_seconds=0.05"]));
        }

        var after = fixture.RunOf(name).Last;
        Assert.Equal((16, 3), (after.Step, after.SkippedSteps));
        Assert.Equal(after.Tokens - before.Tokens, collector.Metrics.SumOf("kvshift.train.tokens"));
        Assert.Equal(("0", "1"), Assert.Single(collector.Metrics.ValuesOf("kvshift.train.skipped_steps")));
    }

    [Fact]
    public void CollectorThatIsAwayDoesNotStopTraining()
    {
        using var away = new RefusingPort();
        var output = MpiRun.Execute(2, ProgramRun.KvShift, fixture.TrainArguments("not-exported", $"telemetry.otlp_endpoint={away.Endpoint}"));

        // One rank of a machine speaks for all of it.
        Assert.Equal(2, output.Split("nobody takes the connection").Length);
        Assert.Contains("training goes on", output);
        fixture.RunOf("not-exported").AssertSameCurve(fixture.TwoRanks, 1e-4);
    }

    [Fact]
    public void VariablesOfTheSpecificationReachTheRanks()
    {
        using var collector = new OtlpReceiver();
        using var run = ProgramRun.StartFile("env",
        [
            "OTEL_SERVICE_NAME=mine", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=a%20test", $"OTEL_EXPORTER_OTLP_ENDPOINT={collector.Endpoint}",
            "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20abc,x-tenant=team", "OTEL_EXPORTER_OTLP_COMPRESSION=gzip",
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta", "OTEL_EXPORTER_OTLP_PROTOCOL=http/json",
            "dotnet", ProgramRun.KvShift, .. fixture.TrainArguments("by-environment", "run.steps=3", "run.validate_every=0"),
        ]);
        run.WaitFor(ExitCode.Done);

        Assert.Equal("mine", collector.Metrics.Resource["service.name"]);
        Assert.Equal("a test", collector.Metrics.Resource["deployment.environment.name"]);
        Assert.Equal(1ul, collector.Metrics.Temporality["kvshift.train.tokens"]);
        Assert.All(collector.Heads, head =>
        {
            Assert.Equal("/v1/metrics", head.Address);
            Assert.Equal("Bearer abc", head.Headers["authorization"]);
            Assert.Equal("team", head.Headers["x-tenant"]);
            Assert.Equal("gzip", head.Headers["content-encoding"]);
        });
        Assert.Contains("OTEL_EXPORTER_OTLP_PROTOCOL=http/json is not known here", run.Error);
        Assert.Contains("otlp_endpoint: null", File.ReadAllText(fixture.RunOf("by-environment").PathOf("config.yaml")));
    }

    [Fact]
    public void SecretsOfAnAddressAreSentAndNowhereElse()
    {
        const string name = "secretive";
        using var collector = new OtlpReceiver();
        var address = collector.Endpoint.Replace("http://", "http://reader:g%40heim@", StringComparison.Ordinal) + "/team?api_key=verschwiegen";
        var arguments = fixture.TrainArguments(name, "run.steps=3", "run.checkpoint_every=2", "run.validate_every=0", $"telemetry.otlp_endpoint={address}");
        using var run = ProgramRun.Execute(ExitCode.Done, arguments);
        using var dry = ProgramRun.Execute(ExitCode.Done, [.. arguments, "--dry-run"]);
        using var faulty = ProgramRun.Execute(ExitCode.Usage, [.. arguments, "--set", "telemetry.otlp_endpoint=htp://reader:g%40heim@host?api_key=verschwiegen", "--set", "run.steps=-1"]);

        Assert.NotEmpty(collector.Heads);
        Assert.All(collector.Heads, head =>
        {
            Assert.Equal("/team/v1/metrics?api_key=verschwiegen", head.Address);
            Assert.Equal("Basic " + Convert.ToBase64String("reader:g@heim"u8), head.Headers["authorization"]);
        });
        AssertKeepsSecrets(run, dry, faulty);
        Assert.All(collector.Metrics.Resource.Values, value => Assert.DoesNotContain("heim", value));
        var folder = fixture.RunOf(name);
        var saved = folder.PathOf("config.yaml");
        Assert.Contains("/team?api_key=***", File.ReadAllText(saved));
        foreach (var file in Directory.GetFiles(folder.Path, "*", SearchOption.AllDirectories))
        {
            var content = System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(file));
            Assert.DoesNotContain("heim", content);
            Assert.DoesNotContain("verschwiegen", content);
        }

        // The saved configuration says that it lacks them; other verbs do not want them.
        using var refused = ProgramRun.Execute(ExitCode.Usage, "train", saved, "--set", "run.steps=5");
        Assert.Contains("telemetry.otlp_endpoint", refused.Error);
        Assert.Contains("runs keep no secrets", refused.Error);
        using var replayed = ProgramRun.Execute(ExitCode.Done, "replay", folder.Path, "--step", "3");
        Assert.NotEmpty(replayed.Output);

        // The same address in the environment has what is masked, and the same command as before has all of it.
        var requests = collector.Heads.Count;
        using var told = ProgramRun.StartFile("env", [$"OTEL_EXPORTER_OTLP_ENDPOINT={address}", "dotnet", ProgramRun.KvShift, "train", saved, "--set", "run.steps=5", "--accept-changed-schedule"]);
        told.WaitFor(ExitCode.Done);
        Assert.InRange(collector.Heads.Count, requests + 1, int.MaxValue);
        using var again = ProgramRun.Execute(ExitCode.Done, [.. arguments, "--set", "run.steps=7", "--accept-changed-schedule"]);
        Assert.All(collector.Heads, head => Assert.Equal("Basic " + Convert.ToBase64String("reader:g@heim"u8), head.Headers["authorization"]));
        AssertKeepsSecrets(told, again, refused, replayed);
    }

    [Theory]
    [InlineData(401)]
    [InlineData(404)]
    public void WarningsHaveNoSecrets(int status)
    {
        using var collector = new OtlpReceiver(_ => CollectorAnswer.Text(status, "no"));
        var address = collector.Endpoint.Replace("http://", "http://reader:geheim@", StringComparison.Ordinal) + "?api_key=verschwiegen";

        using var run = ProgramRun.Execute(ExitCode.Done, fixture.TrainArguments($"refused-{status}", "run.steps=2", "run.validate_every=0", $"telemetry.otlp_endpoint={address}"));

        Assert.Contains("warning: telemetry: the collector at", run.Error);
        AssertKeepsSecrets(run);
    }

    [Fact]
    public void LinesHaveRatesUnderTheirOwnNames()
    {
        var unknown = fixture.OneRank.Records;
        var known = fixture.Train("stated-peak", "hardware.peak_tflops=5", "run.steps=6").Records;
        using var doubted = ProgramRun.Execute(ExitCode.Done, fixture.TrainArguments("doubted-peak", "hardware.peak_tflops=0.000001", "run.steps=4"));

        foreach (var record in (IEnumerable<StepRecord>)[.. unknown, .. known])
        {
            Assert.InRange(record.MatmulShare!.Value, double.Epsilon, 1);
            Assert.InRange(record.TflopsPerRank!.Value, double.Epsilon, 5);
            Assert.Equal(record.TokensPerSecond, record.TokensPerSecondPerRank!.Value, record.TokensPerSecond * 1e-12);
        }

        Assert.All(unknown, record => Assert.Null(record.Mfu));
        Assert.All(known, record => Assert.Equal(record.TflopsPerRank!.Value / 5, record.Mfu!.Value, 1e-12));
        Assert.All(fixture.RunOf("doubted-peak").Records, record => Assert.Null(record.Mfu));
        Assert.Equal(2, doubted.Error.Split("correct hardware.peak_tflops").Length);
        Assert.Contains("\"mfu\":null", File.ReadLines(fixture.OneRank.PathOf("metrics.jsonl")).First());
    }

    private static void AssertKeepsSecrets(params IEnumerable<ProgramRun> runs)
    {
        foreach (var run in runs)
        {
            Assert.DoesNotContain("heim", run.Output + run.Error);
            Assert.DoesNotContain("verschwiegen", run.Output + run.Error);
        }
    }
}
