using KvShiftScale.Testing;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Tests.Reporting;

/// <summary>Runs beside each other.</summary>
public sealed class RunComparisonTests
{
    private static readonly ComparedRun First = Run("first", 0.5, 4.0, 3.0);
    private static readonly ComparedRun Second = Run("second", 0.25, 4.5, 2.5, 2.75);

    [Fact]
    public void OnlyWhatDiffersIsListedAndNamesDoNotCount()
    {
        var (key, values) = Assert.Single(new RunComparison([First, Second]).Differences);

        Assert.Equal("optimizer.lr", key);
        Assert.Equal(["0.5", "0.25"], values);
        Assert.Empty(new RunComparison([First, Run("again", 0.5, 9)]).Differences);
    }

    [Fact]
    public void TheBestValidationIsHeldAgainstTheFirstRuns()
    {
        var rows = new RunComparison([First, Second]).Results;

        Assert.Equal(["first", "20", "20 k", "0.4762", "3.0000", "3.0000 at 20", "", "500", "40s"], rows[0]);
        Assert.Equal(["second", "30", "30 k", "0.3226", "2.7500", "2.5000 at 20", "-0.5000", "500", "1m 00s"], rows[1]);
    }

    // Steps of two seconds, every tenth logged.
    [Fact]
    public void TimeCountsStepsThatWereNotLogged() => Assert.Equal([20, 40, 60], Second.Seconds);

    [Fact]
    public void ThePageHasThreeChartsAndBothTables()
    {
        using var folder = new TemporaryFolder();

        new RunComparison([First, Second]).Save(folder.PathOf("page.html"));

        var page = File.ReadAllText(folder.PathOf("page.html"));
        Assert.All((string[])["Loss over steps", "Loss over tokens", "Loss over time in steps", "<td>optimizer.lr</td><td>0.5</td><td>0.25</td>", "2.5000 at 20"],
            part => Assert.Contains(part, page));
    }

    private static ComparedRun Run(string name, double learningRate, params double[] validations) => new(name,
        RunConfigReader.Parse($"run: {{ name: {name}, steps: 30 }}\noptimizer: {{ lr: {learningRate} }}", name, []),
        [.. validations.Select((loss, index) => StepRecords.At(10 * (index + 1), loss))]);
}
