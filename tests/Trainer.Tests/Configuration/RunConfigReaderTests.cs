using KvShiftScale.Core;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Tests.Configuration;

public sealed class RunConfigReaderTests
{
    private const string Minimal = "run:\n  name: tiny\n  steps: 10\n";

    [Fact]
    public void EveryKindOfValueIsBound()
    {
        const string yaml =
            """
            # a comment
            run:
              name: "2024"
              steps: 300
              seed: 9000000000
              deterministic: true
            model:
              kv_shift: none
              rope_base: 5e5
              tie_embeddings: true
            data:
              train:
                - data/a/*.parquet
                - {glob: data/b.parquet, weight: 0.25}
              validation: data/val.parquet
              tokenizer: ~
            optimizer: {lr: 3.0e-4, decay: cosine}
            precision: fp64
            telemetry:
              otlp_endpoint: http://localhost:4318
              otlp_protocol: http_protobuf
            parallel:
            """;

        var config = RunConfigReader.Parse(yaml, "run.yaml", []);

        Assert.Equal("2024", config.Run.Name);
        Assert.Equal(300, config.Run.Steps);
        Assert.Equal(9_000_000_000, config.Run.Seed);
        Assert.True(config.Run.Deterministic);
        Assert.Equal(KvShiftVariant.None, config.Model.KvShift);
        Assert.Equal(500_000.0, config.Model.RopeBase);
        Assert.True(config.Model.TieEmbeddings);
        Assert.Equal([new DataSource("data/a/*.parquet"), new DataSource("data/b.parquet", 0.25)], config.Data.Train);
        Assert.Equal([new DataSource("data/val.parquet", 1.0)], config.Data.Validation);
        Assert.Null(config.Data.Tokenizer);
        Assert.Equal(3e-4, config.Optimizer.Lr);
        Assert.Equal(LearningRateDecay.Cosine, config.Optimizer.Decay);
        Assert.Equal(Precision.Fp64, config.Precision);
        Assert.Equal("http://localhost:4318", config.Telemetry.OtlpEndpoint);
        Assert.Equal(OtlpProtocol.HttpProtobuf, config.Telemetry.OtlpProtocol);
        Assert.Equal(new ParallelConfig(), config.Parallel);
    }

    [Fact]
    public void KeysThatAreLeftOutHaveTheDefaultsOfTheirRecords()
    {
        var config = RunConfigReader.Parse(Minimal, "run.yaml", []);

        Assert.Equal(new RunSection { Name = "tiny", Steps = 10 }, config.Run);
        Assert.Equal(new ModelConfig(), config.Model);
        Assert.Equal(new OptimizerConfig(), config.Optimizer);
        Assert.Equal(new TelemetrySection(), config.Telemetry);
        Assert.Empty(config.Data.Train);
    }

    [Fact]
    public void UnknownKeyIsNamedWithItsPlaceAndTheNearestKnownKey()
    {
        var error = Fault("run:\n  name: tiny\n  steps: 10\ndata:\n  globl_batch: 8\n");

        Assert.Equal("data.globl_batch", error.Key);
        Assert.Equal("8", error.Value);
        Assert.Equal("run.yaml, line 5, column 3", error.Position);
        Assert.Contains("data.global_batch", error.Remedy);
        Assert.Contains("micro_batch", error.Rule);
    }

    [Theory]
    [InlineData("run: {name: a, steps: 1, stpes: 2}", "run.stpes", "run.steps")]
    [InlineData("run: {name: a, steps: 1}\nmodl: {}", "modl", "model")]
    [InlineData("run: {name: a, steps: 1, lr: 0.1}", "run.lr", "optimizer.lr")]
    [InlineData("run: {name: a, steps: 1}\ndata: {train: [{glob: x, wieght: 2}]}", "data.train[0].wieght", "data.train[0].weight")]
    [InlineData("run: {name: a, steps: 1}\nmodel: {ResolvedKvHeads: 2}", "model.ResolvedKvHeads", "model.kv_heads")]
    public void NearestKnownKeyIsSuggested(string yaml, string key, string suggestion)
    {
        var error = Fault(yaml);

        Assert.Equal(key, error.Key);
        Assert.Contains($"nearest known key, {suggestion},", error.Remedy);
    }

    [Theory]
    [InlineData("steps", "steps: ten", "run.steps", "ten", "whole number")]
    [InlineData("steps", "steps: 1.5", "run.steps", "1.5", "whole number")]
    [InlineData("steps", "steps: 3000000000", "run.steps", "3000000000", "1000000000")]
    [InlineData("steps", "steps: \"10\"", "run.steps", "\"10\"", "not text")]
    [InlineData("steps", "steps:", "run.steps", "(nothing)", "whole number")]
    [InlineData("steps", "steps: [1, 2]", "run.steps", "(a list of 2)", "whole number")]
    [InlineData("steps", "steps: {a: 1}", "run.steps", "(a section of 1 keys)", "whole number")]
    [InlineData("extra", "deterministic: yes", "run.deterministic", "yes", "true or false")]
    [InlineData("extra", "kernels: cuda", "run.kernels", "cuda", "one of: auto, composed")]
    [InlineData("extra", "name: ~", "run.name", "~", "text")]
    [InlineData("root", "optimizer: {lr: fast}", "optimizer.lr", "fast", "finite number")]
    [InlineData("root", "optimizer: {lr: NaN}", "optimizer.lr", "NaN", "finite number")]
    [InlineData("root", "optimizer: {decay: exponential}", "optimizer.decay", "exponential", "one of: constant, cosine, linear, wsd")]
    [InlineData("root", "optimizer: adamw", "optimizer", "adamw", "section")]
    [InlineData("root", "model: [1]", "model", "(a list of 1)", "section")]
    [InlineData("root", "precision: float32", "precision", "float32", "one of: fp32, bf16, fp64")]
    [InlineData("root", "parallel: {optimizer_sharding: zero3}", "parallel.optimizer_sharding", "zero3", "zero1")]
    [InlineData("root", "data: {train: [~]}", "data.train[0]", "glob", "must be set")]
    public void WrongTypeIsNamedWithTheValueAndWhatIsWanted(string place, string text, string key, string value, string wanted)
    {
        var yaml = place switch
        {
            "steps" => $"run:\n  name: a\n  {text}\n",
            "extra" => text.StartsWith("name", StringComparison.Ordinal) ? $"run:\n  {text}\n  steps: 1\n" : $"{Minimal}  {text}\n",
            _ => $"{Minimal}{text}\n",
        };

        var error = Fault(yaml);

        Assert.StartsWith(key, error.Key);
        Assert.Contains(value, error.Value + error.Key);
        Assert.Contains(wanted, error.Rule);
        Assert.NotEmpty(error.Remedy);
    }

    [Fact]
    public void RepeatedKeyIsNamedWithBothPlaces()
    {
        var error = Fault("run:\n  name: a\n  steps: 1\n  steps: 2\n");

        Assert.Equal("run.steps", error.Key);
        Assert.Equal("2", error.Value);
        Assert.Equal("run.yaml, line 4, column 3", error.Position);
        Assert.Contains("line 3, column 3", error.Rule);
    }

    [Fact]
    public void EveryFaultIsReportedAtOnce()
    {
        var error = Assert.Throws<ConfigException>(() => RunConfigReader.Parse(
            "run:\n  steps: x\nmodel:\n  layerz: 3\nprecision: int8\n", "run.yaml", []));

        Assert.Equal(["run.steps", "run.name", "model.layerz", "precision"], error.Faults.Select(fault => fault.Key));
        Assert.All(error.Faults, fault => Assert.Contains(fault.Key, error.Message));
    }

    [Theory]
    [InlineData("")]
    [InlineData("# nothing but a comment\n")]
    [InlineData("model: {layers: 2}\n")]
    public void RequiredKeysOfAMissingSectionAreNamed(string yaml)
    {
        var error = Assert.Throws<ConfigException>(() => RunConfigReader.Parse(yaml, "run.yaml", []));

        Assert.Equal(["run.name", "run.steps"], error.Faults.Select(fault => fault.Key));
        Assert.Contains("--set run.steps=VALUE", error.Faults[1].Remedy);
    }

    [Theory]
    [InlineData("run: [unclosed", "line")]
    [InlineData("run:\n  name: a\n steps: 1\n", "line 3")]
    [InlineData("data: {train: [*.parquet]}", "line 1")]
    [InlineData("a: 1\n---\nb: 2\n", "line 2")]
    [InlineData("run: !!python/object x", "line 1")]
    public void BrokenYamlIsAFaultWithItsPlace(string yaml, string position)
    {
        var error = Fault(yaml);

        Assert.Equal("configuration file", error.Key);
        Assert.Contains("must be YAML", error.Rule);
        Assert.Contains(position, error.Position);
    }

    [Fact]
    public void ListsInListsWithoutEndAreAFault()
    {
        var error = Fault("data: " + new string('[', 100_000));

        Assert.Contains("more than 64 times", error.Rule);
    }

    [Fact]
    public void AliasesStandForWhatTheyName()
    {
        var config = RunConfigReader.Parse(Minimal + "data:\n  train: &all [a.parquet]\n  validation: *all\n", "run.yaml", []);

        Assert.Equal([new DataSource("a.parquet")], config.Data.Validation);
    }

    [Fact]
    public void ValidationDataMayStandUnderNames()
    {
        var config = RunConfigReader.Parse(
            Minimal + "data:\n  validation:\n    books: a.parquet\n    code: [b, {glob: c, weight: 2}]\n", "run.yaml", []);

        DataSource[] expected = [new DataSource("a.parquet").In("books"), new DataSource("b").In("code"), new DataSource("c", 2).In("code")];
        Assert.Equal(expected, config.Data.Validation);
        var written = RunConfigWriter.Write(config);
        Assert.Equal(expected, RunConfigReader.Parse(written, "written.yaml", []).Data.Validation);
        Assert.Contains("  validation:\n    books:\n      - a.parquet\n    code:\n      - b\n", written);
        // A mapping with the keys of a source is a source.
        Assert.Equal([new DataSource("d", 3)], RunConfigReader.Parse(Minimal + "data: {validation: {glob: d, weight: 3}}", "run.yaml", []).Data.Validation);
    }

    [Theory]
    [InlineData("{a b: x}", "data.validation", "must be names of letters")]
    [InlineData("{a: x, a: y}", "data.validation", "each once")]
    [InlineData("{a: []}", "data.validation[a]", "must name files")]
    [InlineData("{a: [{glob: x, weight: much}]}", "data.validation[a][0].weight", "must be a finite number")]
    public void NamesWithoutSourcesAreFaults(string sets, string key, string rule)
    {
        var error = Fault(Minimal + $"data: {{validation: {sets}}}");

        Assert.Equal(key, error.Key);
        Assert.Contains(rule, error.Rule);
    }

    [Fact]
    public void MissingFileIsAFaultWithItsPath()
    {
        var error = Assert.Throws<ConfigException>(() => RunConfigReader.Read("configs/nowhere.yaml", []));

        Assert.Equal("configs/nowhere.yaml", Assert.Single(error.Faults).Value);
    }

    [Fact]
    public void OverridesReplaceAndAdd()
    {
        var config = RunConfigReader.Parse(Minimal + "data: {train: [a, b]}\ntelemetry:\n", "run.yaml",
        [
            ConfigOverride.Parse("run.steps=20"),
            ConfigOverride.Parse("run.steps=30"),
            ConfigOverride.Parse("data.train=[{glob: c*.parquet, weight: 2}, d]"),
            ConfigOverride.Parse("data.validation=v/*.parquet"),
            ConfigOverride.Parse("telemetry.otlp_endpoint=http://h:4318/a=b"),
            ConfigOverride.Parse("precision=fp64"),
            ConfigOverride.Parse("optimizer={lr: 0.5}"),
        ]);

        Assert.Equal(30, config.Run.Steps);
        Assert.Equal("tiny", config.Run.Name);
        Assert.Equal([new DataSource("c*.parquet", 2), new DataSource("d")], config.Data.Train);
        Assert.Equal([new DataSource("v/*.parquet")], config.Data.Validation);
        Assert.Equal("http://h:4318/a=b", config.Telemetry.OtlpEndpoint);
        Assert.Equal(Precision.Fp64, config.Precision);
        Assert.Equal(0.5, config.Optimizer.Lr);
    }

    [Theory]
    [InlineData("run.stepz=5", "run.stepz", "--set run.stepz=5")]
    [InlineData("run.steps=five", "run.steps", "--set run.steps=five")]
    [InlineData("run.steps.more=5", "run.steps.more", "--set run.steps.more=5")]
    [InlineData("data.train=*.parquet", "data.train", "--set data.train=*.parquet")]
    [InlineData("run.name=", "run.name", "--set run.name=")]
    public void FaultOfAnOverrideNamesTheArgument(string text, string key, string position)
    {
        var error = Assert.Single(Assert.Throws<ConfigException>(
            () => RunConfigReader.Parse(Minimal, "run.yaml", [ConfigOverride.Parse(text)])).Faults);

        Assert.Equal(key, error.Key);
        Assert.Equal(position, error.Position);
    }

    [Theory]
    [InlineData("run.steps")]
    [InlineData("=5")]
    [InlineData("run..steps=5")]
    public void OverrideWithoutKeyAndValueIsAFault(string text)
    {
        var error = Assert.Throws<ConfigException>(() => ConfigOverride.Parse(text));

        Assert.Equal("--set", Assert.Single(error.Faults).Key);
    }

    [Fact]
    public void MessageHasKeyValuePlaceRuleAndRemedy()
    {
        var error = Assert.Throws<ConfigException>(() => RunConfigReader.Parse("run:\n  name: a\n  steps: ten\n", "my.yaml", []));

        Assert.Equal(
            "the configuration has a fault:\n" +
            "  run.steps = ten   (my.yaml, line 3, column 10)\n" +
            "    rule:   must be a whole number from 1 to 1000000000\n" +
            "    remedy: set the number of optimizer steps of the whole run",
            error.Message);
    }

    private static ConfigFault Fault(string yaml) =>
        Assert.Single(Assert.Throws<ConfigException>(() => RunConfigReader.Parse(yaml, "run.yaml", [])).Faults);
}
