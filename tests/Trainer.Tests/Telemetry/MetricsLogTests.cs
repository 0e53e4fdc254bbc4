using System.Text.Json;
using KvShiftScale.Models.Probing;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Tests.Telemetry;

public sealed class MetricsLogTests
{
    [Fact]
    public void LineHasExactlyThePromisedFields()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("metrics.jsonl");
        using (var log = MetricsLog.Open(path, resumeStep: 0))
        {
            log.Append(StepRecords.At(1));
            log.Append(StepRecords.At(2, validationLoss: 3.25) with
            {
                Mfu = 0.5, TokensPerSecondPerRank = 250, TflopsPerRank = 0.125, MatmulShare = 0.75, DataWaitFraction = 0.1, CommunicationHidden = 0.75, CommunicationExposedSeconds = 0.25,
            });
        }

        Assert.Equal(
            """{"step":1,"loss":5,"tokens":1000,"grad_norm":1.5,"lr":0.0002,"tokens_per_second":500""" +
            ""","step_seconds":2,"mfu":null,"peak_memory_bytes":1048576}""" + "\n" +
            """{"step":2,"loss":3.3333333333333335,"tokens":2000,"grad_norm":1.5,"lr":0.0002,"tokens_per_second":500""" +
            ""","step_seconds":2,"mfu":0.5,"peak_memory_bytes":1048576,"tokens_per_second_per_rank":250,"tflops_per_rank":0.125,"matmul_share":0.75,"validation_loss":3.25,"data_wait_fraction":0.1,"communication_hidden":0.75,"communication_exposed_seconds":0.25}""" + "\n",
            File.ReadAllText(path));
    }

    [Fact]
    public void ProbeIsAnObjectOfItsOwn()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("metrics.jsonl");
        var record = StepRecords.At(1) with { Probe = StepRecords.Probe(accuracy: 0.9) };
        using (var log = MetricsLog.Open(path, resumeStep: 0))
        {
            log.Append(record);
        }

        const string Probe =
            ""","probe":{"induction_accuracy":0.9,"first_copy_loss":4.5,"second_copy_loss":1.25,"loss_difference":-3.25,"seconds":0.125,"layers":[""" +
            """{"prefix_matching":[0.25,0.875,0.0625,0],"copying":[0.5,0.75,1,0.125],"k_shift":[[0.75,0.25],[0.5,-0.5]],"v_shift":[[0.125,0.875],[0,1]]},""" +
            """{"prefix_matching":[0.5,0.5,0.5,0.5],"copying":[0.5,0.5,0.25,0.5]}]}}""";
        Assert.EndsWith(Probe + "\n", File.ReadAllText(path));
        var read = Assert.Single(MetricsLog.Read(path));
        Assert.Equal(StepRecordJson.Write(record), StepRecordJson.Write(read));
        Assert.Equivalent(record.Probe, read.Probe, strict: true);
    }

    [Fact]
    public void ProbeOfAModelThatDivergedIsNull()
    {
        var scores = new InductionScores(0, double.NaN, double.NaN, [new LayerScores([float.NaN], [0.5f], [[float.NaN, float.PositiveInfinity]], null)]);
        var line = StepRecordJson.Write(StepRecords.At(1) with { Probe = new ProbeRecord(scores, 1) });

        var read = StepRecordJson.Read(line.AsSpan()[..^1]).Probe!.Scores;

        Assert.True(double.IsNaN(read.LossDifference));
        Assert.True(float.IsNaN(read.Layers[0].PrefixMatching[0]));
        Assert.True(float.IsNaN(read.Layers[0].KeyShift![0][1]));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("3")]
    [InlineData("""{"induction_accuracy":1,"first_copy_loss":1,"second_copy_loss":1,"seconds":1,"layers":[{"prefix_matching":["x"],"copying":[]}]}""")]
    public void ProbeThatIsNoneIsRefused(string probe)
    {
        var line = StepRecordJson.Write(StepRecords.At(1)).AsSpan()[..^2].ToArray();
        byte[] damaged = [.. line, .. System.Text.Encoding.UTF8.GetBytes($$""","probe":{{probe}}}""")];

        Assert.Throws<JsonException>(() => StepRecordJson.Read(damaged));
    }

    [Fact]
    public void NumbersReadBackToTheSameBits()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("metrics.jsonl");
        var random = new Random(7);
        var written = Enumerable.Range(1, 500).Select(step => StepRecords.At(step, random.NextDouble()) with
        {
            Loss = BitConverter.Int64BitsToDouble(random.NextInt64(0x0010_0000_0000_0000, 0x7FE0_0000_0000_0000)),
            GradNorm = (float)random.NextDouble(),
            Lr = double.Epsilon * step,
            Mfu = 1.0 / step,
            TflopsPerRank = random.NextDouble(),
            MatmulShare = random.NextDouble(),
            DataWaitFraction = random.NextDouble(),
        }).ToArray();
        using (var log = MetricsLog.Open(path, 0))
        {
            Array.ForEach(written, log.Append);
        }

        Assert.Equal(written, MetricsLog.Read(path));
    }

    [Fact]
    public void NumbersThatAreNotFiniteBecomeNull()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("metrics.jsonl");
        using (var log = MetricsLog.Open(path, 0))
        {
            log.Append(StepRecords.At(1) with { Loss = double.NaN, GradNorm = double.PositiveInfinity });
        }

        using var json = JsonDocument.Parse(File.ReadAllText(path));
        Assert.Equal(JsonValueKind.Null, json.RootElement.GetProperty("loss").ValueKind);
        Assert.Equal(JsonValueKind.Null, json.RootElement.GetProperty("grad_norm").ValueKind);
        Assert.True(double.IsNaN(Assert.Single(MetricsLog.Read(path)).Loss));
    }

    [Fact]
    public void SkippedStepIsMarkedAndOthersSayHowManyThereWere()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("metrics.jsonl");
        StepRecord[] records =
        [
            StepRecords.At(1),
            StepRecords.At(2) with { Skipped = true, SkippedSteps = 1 },
            StepRecords.At(3) with { SkippedSteps = 1 },
        ];
        using (var log = MetricsLog.Open(path, 0))
        {
            Array.ForEach(records, log.Append);
        }

        Assert.Equal(records, MetricsLog.Read(path));
        Assert.DoesNotContain("skipped", File.ReadLines(path).First(), StringComparison.Ordinal);
    }

    [Fact]
    public void MfuOfAnEarlierVersionIsNone()
    {
        // It was a share of one product in the first second, and could be 3.06.
        var line = """{"step":1,"loss":5,"tokens":1000,"grad_norm":1.5,"lr":0.0002,"tokens_per_second":500,"step_seconds":2,"mfu":3.06,"peak_memory_bytes":1}"""u8;

        Assert.Null(StepRecordJson.Read(line).Mfu);
    }

    [Fact]
    public void EachLineIsInTheFileBeforeTheNextStep()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("metrics.jsonl");
        using var log = MetricsLog.Open(path, 0);
        for (var step = 1; step <= 3; step++)
        {
            log.Append(StepRecords.At(step));

            using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
            Assert.Equal(step, reader.ReadToEnd().Count(character => character == '\n'));
        }
    }

    [Theory]
    [InlineData(0, new long[] { 0 })]
    [InlineData(20, new long[] { 0, 10, 20 })]
    [InlineData(25, new long[] { 0, 10, 20 })]
    [InlineData(99, new long[] { 0, 10, 20, 30, 40 })]
    public void ResumeDropsLinesBeyondItsStep(long resumeStep, long[] kept)
    {
        using var folder = new TemporaryFolder();
        var path = WriteSteps(folder, 0, 10, 20, 30, 40);

        using (var log = MetricsLog.Open(path, resumeStep))
        {
            log.Append(StepRecords.At(100));
        }

        Assert.Equal([.. kept, 100], MetricsLog.Read(path).Select(record => record.Step));
        Assert.Equal([path], Directory.GetFiles(folder.Path));
    }

    [Theory]
    [InlineData("{\"step\":30,\"loss\":1")]
    [InlineData("{\"step\":30,\"loss\":1\n")]
    [InlineData("\0\0\0\0\n")]
    [InlineData("{}")]
    public void LineThatAKillCutShortIsDropped(string torn)
    {
        using var folder = new TemporaryFolder();
        var path = WriteSteps(folder, 10, 20);
        File.AppendAllText(path, torn);

        Assert.Equal([10, 20], MetricsLog.Read(path).Select(record => record.Step));
        using (var log = MetricsLog.Open(path, 50))
        {
            log.Append(StepRecords.At(30));
        }

        Assert.Equal([10, 20, 30], MetricsLog.Read(path).Select(record => record.Step));
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("{\"step\":\"ten\"}")]
    [InlineData("[1]")]
    [InlineData("{\"step\":10}")]
    public void DamagedLineBeforeTheLastIsNamed(string damaged)
    {
        using var folder = new TemporaryFolder();
        var path = WriteSteps(folder, 10);
        var good = File.ReadAllText(path);
        File.WriteAllText(path, good + damaged + "\n" + good);

        var error = Assert.Throws<InvalidDataException>(() => MetricsLog.Open(path, 50));

        Assert.StartsWith($"{path}, line 2:", error.Message);
        Assert.Throws<InvalidDataException>(() => MetricsLog.Read(path));
    }

    private static string WriteSteps(TemporaryFolder folder, params long[] steps)
    {
        var path = folder.PathOf("metrics.jsonl");
        using var log = MetricsLog.Open(path, 0);
        foreach (var step in steps)
        {
            log.Append(StepRecords.At(step));
        }

        return path;
    }
}
