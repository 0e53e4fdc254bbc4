namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>Validation data under names.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class ValidationSetTests(TrainingFixture fixture)
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void EachSetIsToldByItself(int ranks)
    {
        var name = $"validation-sets-{ranks}";
        string[] settings = [$"data.validation={{seen: [{fixture.TrainingShard}], held-out: {fixture.PathOf("validation")}}}", "run.validate_every=10"];

        var run = ranks == 1 ? fixture.Train(name, settings) : fixture.TrainOnTwoRanks(name, settings);

        var validated = run.Records.Where(record => record.ValidationLoss is not null).ToArray();
        Assert.NotEmpty(validated);
        Assert.All(validated, record => Assert.Equal(["seen", "held-out"], record.ValidationSets.Select(set => set.Name)));
        // The mean over targets, of which there are about 160 : 24; each alone is what the verb for it says.
        var last = run.Last;
        var checkpoint = run.Checkpoint(TrainingFixture.Steps);
        var seen = CommandRun.Evaluate(checkpoint, fixture.TrainingShard);
        var heldOut = CommandRun.Evaluate(checkpoint, fixture.ValidationShard);
        Assert.Equal(seen.Loss, last.ValidationSets[0].Loss, 1e-4);
        Assert.Equal(heldOut.Loss, last.ValidationSets[1].Loss, 1e-4);
        var mean = ((seen.Loss * seen.Tokens) + (heldOut.Loss * heldOut.Tokens)) / (seen.Tokens + heldOut.Tokens);
        Assert.Equal(mean, last.ValidationLoss!.Value, 1e-4);
        Assert.Contains("validation seen", File.ReadAllText(run.PathOf("report.html")), StringComparison.Ordinal);
        Assert.Contains("held-out:", File.ReadAllText(run.PathOf("config.yaml")), StringComparison.Ordinal);
    }
}
