namespace KvShiftScale.Trainer.Tests.EndToEnd;

[Collection(nameof(EndToEndGroup))]
public sealed class GenerationTests(TrainingFixture fixture)
{
    private const string Prompt = "the shift of";

    [Fact]
    public void GreedyTextIsAlwaysTheSame()
    {
        var text = Generate("--greedy");

        Assert.Equal(text, Generate("--greedy", "--seed", "7"));
    }

    [Fact]
    public void SeedDecidesTheText()
    {
        var text = Generate("--seed", "7", "--temperature", "2");

        Assert.Equal(text, Generate("--seed", "7", "--temperature", "2"));
        Assert.NotEqual(text, Generate("--seed", "8", "--temperature", "2"));
    }

    // The prompt comes first, and at least one token of the model's after it.
    private string Generate(params string[] options)
    {
        using var run = ProgramRun.Execute(ExitCode.Done, ["generate", "--model", fixture.ModelPath, "--prompt", Prompt, "--max-tokens", "24", .. options]);
        Assert.StartsWith(Prompt, run.Output);
        Assert.NotEqual(Prompt, run.Output.TrimEnd('\n'));
        return run.Output;
    }
}
