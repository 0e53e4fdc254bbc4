using KvShiftScale.Core;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Signals;

namespace KvShiftScale.Trainer.Tests.Launch;

public sealed class MachineRulesTests
{
    private const double Gibibyte = 1L << 30;

    [Theory]
    [InlineData("kvshift-19b", 1, 1, 512.0, false)]
    // 4 + 4 + 8 + 12 bytes a parameter: 496 GiB.
    [InlineData("kvshift-19b", 1, 1, 495.0, true)]
    // Each of two has the parameters and gradients, and half of the rest.
    [InlineData("kvshift-19b", 2, 2, 600.0, true)]
    [InlineData("kvshift-19b", 2, 1, 400.0, false)]
    [InlineData("kvshift-1.5b", 1, 1, 8.0, true)]
    // Four stages together hold what one rank does, whatever the largest of them holds.
    [InlineData("kvshift-19b, parallel: {pipeline: 4}", 4, 4, 512.0, false)]
    [InlineData("kvshift-19b, parallel: {pipeline: 4}", 4, 4, 495.0, true)]
    [InlineData("induction-depth", 1, 1, 1.0, false)]
    public void AModelThatTheMachineCannotHoldIsRefusedWithBothSizes(string preset, int ranks, int here, double gibibytes, bool isRefused)
    {
        var config = RunConfigReader.Parse($"run: {{name: large, steps: 1}}\ndata: {{train: [a]}}\nmodel: {{preset: {preset.Split(',')[0]}}}\n{string.Join(',', preset.Split(',')[1..]).Trim()}", "large.yaml", []);

        var check = () => MachineRules.CheckMemory(config, ranks, [.. Enumerable.Range(0, here)], gibibytes * Gibibyte);

        if (!isRefused)
        {
            check();
            return;
        }

        var fault = Assert.Single(Assert.Throws<ConfigException>(check).Faults);
        Assert.Matches(@"parameters$", fault.Value);
        Assert.Matches($@"needs [0-9.]+ .iB on {here} rank.* the machine has {gibibytes} GiB", fault.Rule);
        Assert.Contains("--dry-run", fault.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void ThisMachineHasMemory() => Assert.InRange(MachineRules.MemoryBytes, 0.1 * Gibibyte, 1e6 * Gibibyte);

    [Theory]
    [InlineData("parallel.threads_per_rank")]
    [InlineData("data.reader_threads")]
    public void MoreThreadsThanTheMachineCarriesAreRefused(string key)
    {
        MachineRules.CheckThreads(Read(key, MachineRules.MostThreads));

        var fault = Assert.Single(Assert.Throws<ConfigException>(() => MachineRules.CheckThreads(Read(key, MachineRules.MostThreads + 1))).Faults);
        Assert.Equal(key, fault.Key);
        Assert.Contains($"at most {MachineRules.MostThreads}", fault.Rule, StringComparison.Ordinal);
    }

    [Fact]
    public void OptionsAndComputeThreadsHaveTheSameBound()
    {
        MachineRules.CheckThreads("--threads", MachineRules.MostThreads);
        Assert.Throws<UsageException>(() => MachineRules.CheckThreads("--threads", MachineRules.MostThreads + 1));
        Assert.Throws<UsageException>(() => ComputeThreads.Set(MachineRules.MostThreads + 1));
    }

    [Fact]
    public void RanksOfThisMachineHaveABound()
    {
        var launch = new RankEnvironment(false, 0, null);
        Assert.Equal(32 * Environment.ProcessorCount, LocalRanks.Wanted(launch, 32 * Environment.ProcessorCount));
        Assert.Throws<UsageException>(() => LocalRanks.Wanted(launch, 32 * Environment.ProcessorCount + 1));
    }

    private static RunConfig Read(string key, int value)
        => RunConfigReader.Parse("run: {name: threads, steps: 1}\ndata: {train: [a]}", "threads.yaml", [ConfigOverride.Parse($"{key}={value}")]);
}
