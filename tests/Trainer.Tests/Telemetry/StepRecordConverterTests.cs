using System.Text;
using System.Text.Json;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Telemetry;
using KvShiftScale.Trainer.Training;

namespace KvShiftScale.Trainer.Tests.Telemetry;

/// <summary>A step record has one form, in <c>metrics.jsonl</c> and in the <c>state.json</c> of a checkpoint.</summary>
public sealed class StepRecordConverterTests
{
    public static TheoryData<string> Records => new(["finite", "nan", "infinity", "skipped", "sets", "probed"]);

    [Theory]
    [MemberData(nameof(Records))]
    public void StateHasTheLineOfTheLog(string kind)
    {
        var record = Make(kind);
        var state = new TrainingState { Step = 3, Tokens = 3000, Loader = null, Unmeasured = record };

        using var json = JsonDocument.Parse(state.ToJson());

        var line = Encoding.UTF8.GetString(StepRecordJson.Write(record)).TrimEnd();
        Assert.Equal(line, JsonSerializer.Serialize(json.RootElement.GetProperty("unmeasured")));
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.PathOf(TrainingState.FileName), state.ToJson());
        Assert.Equal(line, Encoding.UTF8.GetString(StepRecordJson.Write(TrainingState.Read(folder.Path).Unmeasured!)).TrimEnd());
    }

    [Fact]
    public void SetsOfTheValidationDataStandUnderTheirNames()
        => Assert.Contains("\"validation_loss\":2.5,\"validation_losses\":{\"code\":2.25,\"books\":null}", Encoding.UTF8.GetString(StepRecordJson.Write(Make("sets"))));

    [Fact]
    public void StateWithoutOneHasNone()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.PathOf(TrainingState.FileName), new TrainingState { Step = 3, Tokens = 3000, Loader = null }.ToJson());

        Assert.Null(TrainingState.Read(folder.Path).Unmeasured);
    }

    [Fact]
    public void FormOfEarlierCheckpointsIsRead()
    {
        const string Earlier =
            """
            {"step": 3, "tokens": 3000, "loader": null, "unmeasured": {
              "step": 3, "loss": "NaN", "tokens": 3000, "grad_norm": "Infinity", "lr": 0.0002, "tokens_per_second": 500, "step_seconds": 2, "mfu": 0.5,
              "peak_memory_bytes": 1048576, "validation_loss": null, "probe": null, "skipped": true, "skipped_steps": 1, "data_wait_fraction": 0.25,
              "communication_hidden": null, "communication_exposed_seconds": null, "save_seconds": null, "save_write_seconds": null,
              "failed_saves": 2, "read_retries": 7}}
            """;
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.PathOf(TrainingState.FileName), Earlier);

        var record = TrainingState.Read(folder.Path).Unmeasured!;

        Assert.Equal(
            StepRecords.At(3) with
            {
                Loss = double.NaN, GradNorm = double.NaN, Skipped = true, SkippedSteps = 1, DataWaitFraction = 0.25, PeakMemoryBytes = 1048576,
            },
            record);
        // What an earlier launch has counted is not counted again.
        Assert.Equal(0, record.ReadRetries);
    }

    [Theory]
    [InlineData("3")]
    [InlineData("[]")]
    [InlineData("""{"step": 3}""")]
    [InlineData("""{"step": 3, "loss": "much", "tokens": 1, "grad_norm": 1, "lr": 1, "tokens_per_second": 1, "step_seconds": 1, "mfu": null, "peak_memory_bytes": 1}""")]
    public void WhatIsNoRecordIsRefused(string unmeasured)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.PathOf(TrainingState.FileName), $$"""{"step": 3, "tokens": 3000, "loader": null, "unmeasured": {{unmeasured}}}""");

        Assert.Throws<InvalidDataException>(() => TrainingState.Read(folder.Path));
    }

    private static StepRecord Make(string kind) => kind switch
    {
        "finite" => StepRecords.At(3),
        "nan" => StepRecords.At(3, validationLoss: double.NaN) with { Loss = double.NaN },
        "infinity" => StepRecords.At(3) with { GradNorm = double.PositiveInfinity, Loss = double.NegativeInfinity, DataWaitFraction = double.NaN },
        "skipped" => StepRecords.At(3) with { Skipped = true, SkippedSteps = 2, Mfu = 0.25, TflopsPerRank = 0.5, MatmulShare = 1 },
        "sets" => StepRecords.At(3, validationLoss: 2.5) with { ValidationSets = [("code", 2.25), ("books", double.NaN)] },
        _ => StepRecords.At(3) with { Probe = StepRecords.Probe(accuracy: 0.9) },
    };
}
