using System.CommandLine;
using System.Globalization;
using KvShiftScale.Core;
using KvShiftScale.Core.Configuration;
using KvShiftScale.Trainer.Commands;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Signals;

namespace KvShiftScale.Trainer.Tests.Configuration;

/// <summary>Every number that somebody can write has bounds, and what is absurd ends with a sentence before any work.</summary>
public sealed class NumberBoundsTests
{
    private const string Minimal =
        """
        run: {name: ok, steps: 10}
        data: {train: [train.parquet], validation: [val.parquet], global_batch: 24, micro_batch: 3}
        """;

    [Fact]
    public void EveryNumberOfAConfigurationHasBounds()
        => Assert.Equal(NumbersBelow(typeof(RunConfig), "").Order(StringComparer.Ordinal), NumberBounds.Keys.Keys.Order(StringComparer.Ordinal));

    [Fact]
    public void EveryNumberOfAnOptionHasBounds()
    {
        var launch = new RankEnvironment(false, 0, null);

        Assert.Equal(NumbersOf(CommandLine.Build(launch, null, new EarlyEnd(launch)), "").Order(StringComparer.Ordinal),
            NumberBounds.Options.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void BothEndsOfEachBoundAreKeptAndWhatIsBeyondIsNot()
    {
        foreach (var (name, bound) in NumberBounds.Keys.Concat(NumberBounds.Options))
        {
            if (bound is NumberBound.Whole whole)
            {
                Assert.True(bound.BrokenBy(whole.Least) is null && bound.BrokenBy(whole.Most) is null, name);
                Assert.True(whole.Least == long.MinValue || bound.BrokenBy(whole.Least - 1) is not null, name);
                Assert.True(whole.Most == long.MaxValue || bound.BrokenBy(whole.Most + 1) is not null, name);
            }
            else
            {
                var real = (NumberBound.Real)bound;
                Assert.True(bound.BrokenBy(real.Least) is null != real.IsOpenBelow && bound.BrokenBy(real.Most) is null != real.IsOpenAbove, name);
                Assert.All([Math.BitDecrement(real.Least), Math.BitIncrement(real.Most), double.NaN, double.PositiveInfinity, double.NegativeInfinity],
                    number => Assert.True(bound.BrokenBy(number) is not null, name));
            }

            Assert.NotEmpty(bound.Remedy);
        }
    }

    [Fact]
    public void TheDocumentHasTheBoundsOfEveryKey()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "KvShiftScale.sln")))
        {
            directory = directory.Parent!;
        }

        var section = File.ReadAllText(Path.Combine(directory.FullName, "docs", "configuration.md")).Split("\n## ").Single(text => text.StartsWith("Bounds", StringComparison.Ordinal));
        var documented = section.Split('\n').Where(line => line.StartsWith("| ", StringComparison.Ordinal)).Skip(1);

        Assert.Equal(NumberBounds.Keys.Select(key => $"| {key.Key} | {key.Value.Kind} |"), documented);
    }

    // Form: what no number is, though others take it for one.
    [Theory]
    [InlineData("run.steps=1e3", "write steps: 1000")]
    [InlineData("run.steps=1_000", "write steps: 1000")]
    [InlineData("run.steps=\"1 000\"", "remove the quotes")]
    [InlineData("run.steps=1 000", "write steps: 1000")]
    [InlineData("run.steps=100.0", "write steps: 100")]
    [InlineData("run.steps=0x10", "")]
    [InlineData("run.steps=2147483648", "")]
    [InlineData("run.steps=99999999999999999999999999", "")]
    [InlineData("run.seed=9223372036854775808", "")]
    [InlineData("run.seed=-0", "write seed: 0")]
    [InlineData("run.checkpoint_every=-0", "write checkpoint_every: 0")]
    [InlineData("parallel.threads_per_rank=-0", "")]
    [InlineData("optimizer.clip_norm=-0.0", "use 0 for no clipping")]
    [InlineData("optimizer.weight_decay=-0e0", "")]
    [InlineData("optimizer.lr=1e400", "")]
    [InlineData("optimizer.lr=.nan", "")]
    [InlineData("optimizer.lr=NaN", "")]
    [InlineData("optimizer.lr=.inf", "")]
    [InlineData("optimizer.lr=Infinity", "")]
    [InlineData("optimizer.lr=1_0.5", "")]
    [InlineData("data.train=[{glob: a, weight: -0.0}]", "")]
    [InlineData("data.context=2147483648", "")]
    public void WhatIsNoNumberIsRefusedWithItsBounds(string setting, string remedy)
    {
        var fault = Assert.Single(Assert.Throws<ConfigException>(() => Read(setting)).Faults);

        Assert.Matches("must be (a whole number from .* to |a finite number (from|greater than) )", fault.Rule);
        Assert.Contains(remedy, fault.Remedy);
        Assert.NotEmpty(fault.Remedy);
    }

    // Size: numbers that are numbers.
    [Theory]
    [InlineData("parallel.threads_per_rank=100000", "parallel.threads_per_rank", "be at most 1024")]
    [InlineData("data.reader_threads=100000", "data.reader_threads", "be at most 1024")]
    [InlineData("data.context=2147483647", "data.context", "be at most 16777216")]
    [InlineData("data.global_batch=2147483647", "data.global_batch", "be at most")]
    [InlineData("data.prefetch_batches=2147483647", "data.prefetch_batches", "be at most 10000")]
    [InlineData("data.read_retries=2147483647", "data.read_retries", "be at most")]
    [InlineData("model.vocab_size=2147483647", "model.vocab_size", "be at most 16777216")]
    [InlineData("model.layers=2147483647", "model.layers", "be at most 100000")]
    [InlineData("model.heads=2147483647", "model.heads", "be at most")]
    [InlineData("model.rope_base=1e300", "model.rope_base", "be at most")]
    [InlineData("run.steps=2147483647", "run.steps", "be at most 1000000000")]
    [InlineData("run.spike_window=2147483647", "run.spike_window", "be at most 100000")]
    [InlineData("run.spike_z=1e300", "run.spike_z", "be at most")]
    [InlineData("parallel.tensor=65536;parallel.context=65536", "parallel.tensor", "be at most 8192")]
    [InlineData("parallel.bucket_mebibytes=2147483647", "parallel.bucket_mebibytes", "be at most")]
    [InlineData("optimizer.lr=1e300", "optimizer.lr", "be at most 1E+30")]
    [InlineData("data.train=[{glob: a, weight: 1e300}]", "data.train[0].weight", "be at most")]
    public void AbsurdSizesAreRefusedWithTheirBound(string settings, string key, string rule)
    {
        var faults = Assert.Throws<ConfigException>(() => RunConfigRules.Check(Read(settings), ranks: 1)).Faults;

        Assert.Equal(key, faults[0].Key);
        Assert.Contains(rule, faults[0].Rule);
        Assert.NotEmpty(faults[0].Remedy);
    }

    // Products: each number keeps its bounds, all of them together are absurd.
    [Theory]
    [InlineData("data.context=16777216;data.micro_batch=1024;data.global_batch=1024", "data.micro_batch", "17179869184 tokens of one pass")]
    [InlineData("data.context=16777216;data.micro_batch=128;data.global_batch=128", "data.micro_batch", "2147483648 tokens of one pass")]
    [InlineData("data.context=16777216;data.micro_batch=64;data.global_batch=16777216;run.steps=1000000000", "run.steps", "2.8e+23 tokens")]
    [InlineData("model.heads=65536;model.head_size=65536", "model.heads", "4294967296 query components")]
    [InlineData("model.sliding_window=4;model.sliding_heads=65536;model.sliding_head_size=65536", "model.sliding_heads", "4294967296 query components")]
    [InlineData("model.hidden_size=1048576;model.ffn_size=16777216;model.layers=100000", "model", "at most 1e+15 parameters")]
    [InlineData("model.hidden_size=1048576;model.heads=65536;model.head_size=256;model.layers=100000", "model", "at most 1e+15 parameters")]
    public void AbsurdProductsAreRefusedWithTheirSize(string settings, string key, string rule)
    {
        var fault = Assert.Single(Assert.Throws<ConfigException>(() => RunConfigRules.Check(Read(settings), ranks: 1)).Faults);

        Assert.Equal(key, fault.Key);
        Assert.Contains(rule, fault.Rule);
        Assert.DoesNotContain("-", fault.Rule);
    }

    [Theory]
    [InlineData(-1, "not be negative|be at least 1")]
    [InlineData(1_000_000, "be at most 131072")]
    public void AnAbsurdNumberOfRanksIsRefused(int ranks, string rule)
    {
        var fault = Assert.Single(Assert.Throws<ConfigException>(() => RunConfigRules.Check(Read(""), ranks)).Faults);

        Assert.Equal("--ranks", fault.Key);
        Assert.Matches(rule, fault.Rule);
    }

    [Theory]
    [InlineData("run.seed=0")]
    [InlineData("run.seed=9223372036854775807")]
    [InlineData("run.steps=1000000000")]
    [InlineData("run.steps=+10")]
    [InlineData("optimizer.clip_norm=1e9")]
    [InlineData("optimizer.lr=1e-300")]
    [InlineData("data.context=16777216;data.micro_batch=1")]
    [InlineData("model.hidden_size=1048576;model.layers=100")]
    public void WhatIsOnlyLargeIsTaken(string settings) => RunConfigRules.Check(Read(settings), ranks: 1);

    private static RunConfig Read(string settings)
        => RunConfigReader.Parse(Minimal, "run.yaml", [.. settings.Split(';', StringSplitOptions.RemoveEmptyEntries).Select(ConfigOverride.Parse)]);

    private static bool IsNumber(Type type)
        => Type.GetTypeCode(Nullable.GetUnderlyingType(type) ?? type) is >= TypeCode.SByte and <= TypeCode.Decimal && !(Nullable.GetUnderlyingType(type) ?? type).IsEnum;

    private static IEnumerable<string> NumbersBelow(Type section, string path)
    {
        foreach (var property in ConfigKeys.PropertiesOf(section))
        {
            var key = ConfigKeys.Join(path, ConfigKeys.NameOf(property.Name));
            var type = ConfigKeys.ItemTypeOf(property.PropertyType) ?? property.PropertyType;
            if (IsNumber(type))
            {
                yield return key;
            }
            else if (ConfigKeys.IsSection(type))
            {
                foreach (var below in NumbersBelow(type, key))
                {
                    yield return below;
                }
            }
        }
    }

    private static IEnumerable<string> NumbersOf(Command command, string path)
        => command.Options.Where(option => IsNumber(option.ValueType)).Select(option => string.Create(CultureInfo.InvariantCulture, $"{path} {option.Name}").TrimStart())
            .Concat(command.Subcommands.SelectMany(below => NumbersOf(below, $"{path} {below.Name}".TrimStart())));
}
