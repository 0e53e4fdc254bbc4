using KvShiftScale.Core;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Tests.Commands;

/// <summary>kvshift config: defaults as a file, what a file comes to, what differs.</summary>
public sealed class ConfigVerbTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void WhatIsPrintedWithoutAFileIsAConfigurationOfDefaults()
    {
        var printed = CommandRun.Execute(ExitCode.Done, "config").Output;

        var read = RunConfigReader.Parse(printed, "printed", []);
        Assert.Equal([("run.name", "my-run"), ("run.steps", "1000")], ConfigValues.Changed(read).Select(value => (value.Key, value.Value)));
        // Every key has its meaning above it.
        var lines = printed.Split('\n');
        Assert.All(lines.Index().Where(line => line.Item.StartsWith("  ", StringComparison.Ordinal) && !line.Item.TrimStart().StartsWith('#')),
            line => Assert.StartsWith("#", lines[line.Index - 1].TrimStart()));
    }

    [Fact]
    public void KeysAreFoundByAWordOfTheirMeaning()
    {
        var printed = CommandRun.Execute(ExitCode.Done, "config", "--key", "COLLECTOR").Output;

        Assert.Contains("otlp_endpoint: null", printed);
        Assert.DoesNotContain("vocab_size", printed);
    }

    [Fact]
    public void AFileIsResolved()
    {
        var file = Write("run: { name: a, steps: 5 }\nmodel: { preset: kvshift-1.5b }\n");

        var whole = CommandRun.Execute(ExitCode.Done, "config", file, "--set", "optimizer.lr=0.5").Output;

        Assert.Equal(RunConfigReader.Read(file, [ConfigOverride.Parse("optimizer.lr=0.5")]), RunConfigReader.Parse(whole, "printed", []), Same);
    }

    [Fact]
    public void WhatDiffersIsHeldAgainstTheDefaultAndTheNamedShape()
    {
        var file = Write("run: { name: a, steps: 5 }\nmodel: { preset: kvshift-1.5b, layers: 3 }\ndata: { train: [x, { glob: y, weight: 2 }] }\n");

        var printed = CommandRun.Execute(ExitCode.Done, "config", file, "--changed").Output;

        Assert.Equal(["run.name: a", "run.steps: 5", "model.preset: kvshift-1.5b   # default null", "model.layers: 3   # default 28", "data.train: [x, {glob: y, weight: 2}]   # default []"],
            printed.TrimEnd().Split('\n'));
    }

    [Fact]
    public void SetsOfValidationDataKeepTheirNames()
    {
        var file = Write("run: { name: a, steps: 5 }\ndata: { validation: { books: [x, y], code: [z] } }\n");

        Assert.Contains("data.validation: {books: [x, y], code: [z]}   # default []", CommandRun.Execute(ExitCode.Done, "config", file, "--changed").Output);
    }

    [Theory]
    [InlineData("--changed")]
    [InlineData("--set|run.steps=3")]
    public void WithoutAFileNothingCanDiffer(string options)
        => Assert.Contains("without a configuration", CommandRun.Execute(ExitCode.Usage, ["config", .. options.Split('|')]).Error);

    private static bool Same(RunConfig one, RunConfig other) => ConfigValues.Of(one).SequenceEqual(ConfigValues.Of(other));

    private string Write(string yaml)
    {
        var path = _folder.PathOf("run.yaml");
        File.WriteAllText(path, yaml);
        return path;
    }
}
