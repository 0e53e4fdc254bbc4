using KvShiftScale.Core;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Tests.Configuration;

public sealed class RunConfigRulesTests
{
    private const string Valid =
        """
        run: {name: ok, steps: 10}
        model: {vocab_size: 64, hidden_size: 32, heads: 4, kv_heads: 2}
        data: {train: [train.parquet], validation: [val.parquet], global_batch: 24, micro_batch: 3}
        """;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(8)]
    public void ValidConfigurationPasses(int ranks) => RunConfigRules.Check(Read([]), ranks);

    [Theory]
    [InlineData("run.name=a/b", "run.name", "a/b", "")]
    [InlineData("run.name=..", "run.name", "..", "")]
    [InlineData("run.directory=\"\"", "run.directory", "", "")]
    [InlineData("run.steps=0", "run.steps", "0", "")]
    [InlineData("run.seed=-1", "run.seed", "-1", "")]
    [InlineData("data.shuffle_row_groups=0", "data.shuffle_row_groups", "0", "")]
    [InlineData("run.checkpoint_every=-5", "run.checkpoint_every", "-5", "")]
    [InlineData("run.keep_checkpoints=0", "run.keep_checkpoints", "0", "")]
    [InlineData("run.keep_every=-1", "run.keep_every", "-1", "")]
    [InlineData("run.keep_every=750", "run.keep_every", "750", "500 or 1000")]
    [InlineData("run.keep_every=5;run.checkpoint_every=0", "run.keep_every", "5", "run.checkpoint_every")]
    [InlineData("run.log_every=0", "run.log_every", "0", "")]
    [InlineData("run.validate_every=-1", "run.validate_every", "-1", "")]
    [InlineData("run.stall_timeout_seconds=-1", "run.stall_timeout_seconds", "-1", "")]
    [InlineData("run.stall_timeout_seconds=1", "run.stall_timeout_seconds", "1", "0 to wait for ever")]
    [InlineData("run.validation_rows=-1", "run.validation_rows", "-1", "")]
    [InlineData("run.validate_every=5;data.validation=[]", "run.validate_every", "5", "data.validation")]
    [InlineData("run.probe_every=-1", "run.probe_every", "-1", "")]
    [InlineData("run.probe_every=5;data.context=3", "run.probe_every", "5", "data.context")]
    [InlineData("run.probe_every=5;model.vocab_size=1", "run.probe_every", "5", "run.probe_every: 0")]
    [InlineData("model.vocab_size=0", "model.vocab_size", "0", "")]
    [InlineData("model.hidden_size=0", "model.hidden_size", "0", "")]
    [InlineData("model.hidden_size=30", "model.hidden_size", "30", "28 or 32")]
    [InlineData("model.layers=0", "model.layers", "0", "")]
    [InlineData("model.heads=0", "model.heads", "0", "")]
    [InlineData("model.heads=12;model.hidden_size=48;model.kv_heads=5", "model.kv_heads", "5", "4 or 6")]
    [InlineData("model.kv_heads=8", "model.kv_heads", "8", "set 4")]
    [InlineData("model.kv_heads=-1", "model.kv_heads", "-1", "")]
    [InlineData("model.head_size=-2", "model.head_size", "-2", "")]
    [InlineData("model.head_size=7", "model.head_size", "7", "8")]
    [InlineData("model.hidden_size=36", "model.head_size", "9", "10")]
    [InlineData("model.ffn_size=0", "model.ffn_size", "0", "")]
    [InlineData("model.rope_base=1", "model.rope_base", "1", "")]
    [InlineData("model.norm_epsilon=0", "model.norm_epsilon", "0", "")]
    [InlineData("model.init_std=0", "model.init_std", "0", "")]
    [InlineData("model.sliding_window=-1", "model.sliding_window", "-1", "")]
    [InlineData("model.sliding_heads=-1", "model.sliding_heads", "-1", "")]
    [InlineData("model.sliding_heads=2", "model.sliding_heads", "2", "model.sliding_heads: 0")]
    [InlineData("model.sliding_kv_heads=2", "model.sliding_kv_heads", "2", "model.sliding_window")]
    [InlineData("model.sliding_head_size=2", "model.sliding_head_size", "2", "model.sliding_window")]
    [InlineData("model.sliding_window=8;model.sliding_heads=12;model.sliding_kv_heads=5", "model.sliding_kv_heads", "5", "4 or 6")]
    [InlineData("model.sliding_window=8;model.sliding_heads=3", "model.sliding_kv_heads", "2", "1 or 3")]
    [InlineData("model.sliding_window=8;model.sliding_head_size=7", "model.sliding_head_size", "7", "8")]
    [InlineData("data.train=[]", "data.train", "[]", "*.parquet")]
    [InlineData("data.train=[\"\"]", "data.train[0].glob", "\"\"", "")]
    [InlineData("data.validation=[a, {glob: b, weight: 0}]", "data.validation[1].weight", "0", "")]
    [InlineData("data.context=0", "data.context", "0", "")]
    [InlineData("data.global_batch=0", "data.global_batch", "0", "")]
    [InlineData("data.micro_batch=0", "data.micro_batch", "0", "")]
    [InlineData("data.prefetch_batches=0", "data.prefetch_batches", "0", "")]
    [InlineData("data.micro_batch=5", "data.micro_batch", "5", "4 or 6")]
    [InlineData("data.micro_batch=24", "data.micro_batch", "24", "set 12")]
    [InlineData("data.global_batch=25", "data.global_batch", "25", "24 or 26")]
    [InlineData("data.global_batch=1", "data.global_batch", "1", "set 2")]
    [InlineData("parallel.tensor=0", "parallel.tensor", "0", "")]
    [InlineData("parallel.tensor=2;model.heads=3;model.kv_heads=1;model.hidden_size=30", "parallel.tensor", "2", "set 1")]
    [InlineData("parallel.tensor=2;model.ffn_size=333", "parallel.tensor", "2", "set 1")]
    [InlineData("parallel.tensor=2;model.heads=6;model.kv_heads=3;model.hidden_size=36;model.ffn_size=1410", "parallel.tensor", "2", "set 1 or 3")]
    [InlineData("parallel.tensor=2;model.sliding_window=8;model.sliding_heads=3;model.sliding_kv_heads=1;model.sliding_head_size=8", "parallel.tensor", "2", "set 1")]
    [InlineData("parallel.tensor=2;data.context=63", "data.context", "63", "62 or 64, or set parallel.sequence: false")]
    [InlineData("model.kv_shift=gate;model.kv_shift_init=identity", "model.kv_shift_init", "identity", "use uniform or softmax")]
    [InlineData("parallel.context=0", "parallel.context", "0", "parallel.context: 1")]
    [InlineData("parallel.pipeline=0", "parallel.pipeline", "0", "parallel.pipeline: 1")]
    [InlineData("parallel.pipeline=2;model.layers=1", "parallel.pipeline", "2", "at most 1")]
    [InlineData("parallel.virtual_stages=2", "parallel.virtual_stages", "2", "parallel.pipeline")]
    [InlineData("parallel.pipeline=2;parallel.virtual_stages=3;model.layers=5", "parallel.virtual_stages", "3", "set at most 2")]
    [InlineData("parallel.pipeline=2;parallel.virtual_stages=2;model.layers=4;run.deterministic=true", "parallel.virtual_stages", "2", "run.deterministic: false")]
    [InlineData("parallel.pipeline=2;parallel.virtual_stages=2;model.layers=4;data.global_batch=6;data.micro_batch=2", "data.global_batch", "6", "set 4 or 8")]
    [InlineData("parallel.pipeline=2;parallel.virtual_stages=2;model.layers=4;data.global_batch=6;data.micro_batch=4", "data.micro_batch", "4", "set 3 or 6")]
    [InlineData("parallel.optimizer_sharding=zero2;run.deterministic=true", "parallel.optimizer_sharding", "zero2", "zero1, or run.deterministic to false")]
    [InlineData("parallel.canonical_leaves=-1", "parallel.canonical_leaves", "-1", "")]
    [InlineData("parallel.bucket_mebibytes=0", "parallel.bucket_mebibytes", "0", "")]
    [InlineData("parallel.threads_per_rank=-1", "parallel.threads_per_rank", "-1", "")]
    [InlineData("optimizer.lr=0", "optimizer.lr", "0", "")]
    [InlineData("optimizer.warmup_steps=-1", "optimizer.warmup_steps", "-1", "")]
    [InlineData("optimizer.final_lr_fraction=1.5", "optimizer.final_lr_fraction", "1.5", "")]
    [InlineData("optimizer.decay_steps=-1", "optimizer.decay_steps", "-1", "a tenth")]
    [InlineData("optimizer.decay_steps=5", "optimizer.decay_steps", "5", "optimizer.decay: wsd")]
    [InlineData("optimizer.decay=wsd;optimizer.decay_steps=1000000000", "optimizer.decay_steps", "1000000000", "more run.steps")]
    [InlineData("optimizer.beta1=1", "optimizer.beta1", "1", "")]
    [InlineData("optimizer.beta2=0", "optimizer.beta2", "0", "")]
    [InlineData("optimizer.epsilon=0", "optimizer.epsilon", "0", "")]
    [InlineData("optimizer.weight_decay=-0.1", "optimizer.weight_decay", "-0.1", "")]
    [InlineData("optimizer.clip_norm=-1", "optimizer.clip_norm", "-1", "")]
    [InlineData("telemetry.otlp_endpoint=localhost:4318", "telemetry.otlp_endpoint", "localhost:4318", "http://")]
    [InlineData("telemetry.export_interval_seconds=0", "telemetry.export_interval_seconds", "0", "")]
    public void BrokenRuleIsNamedWithKeyValueAndRemedy(string settings, string key, string value, string remedy)
    {
        var config = Read([.. settings.Split(';').Select(ConfigOverride.Parse)]);

        var error = Assert.Throws<ConfigException>(() => RunConfigRules.Check(config, ranks: 2));

        var fault = Assert.Single(error.Faults);
        Assert.Equal(key, fault.Key);
        Assert.Equal(value, fault.Value);
        Assert.NotEmpty(fault.Rule);
        Assert.NotEmpty(fault.Remedy);
        Assert.Contains(remedy, fault.Remedy);
        Assert.Contains(key, error.Message);
    }

    [Theory]
    [InlineData(2, "parallel.tensor=2")]
    [InlineData(4, "parallel.tensor=4")]
    [InlineData(8, "parallel.tensor=2;parallel.optimizer_sharding=zero1")]
    [InlineData(2, "parallel.tensor=2;data.context=63;parallel.sequence=false")]
    [InlineData(8, "parallel.tensor=2;parallel.context=2;data.context=64")]
    [InlineData(2, "parallel.sequence=true")]
    [InlineData(8, "parallel.pipeline=2;parallel.tensor=2;model.layers=3")]
    [InlineData(2, "parallel.tensor=2;parallel.recompute=selective")]
    [InlineData(2, "precision=bf16;parallel.optimizer_sharding=zero1")]
    [InlineData(4, "parallel.pipeline=2;parallel.optimizer_sharding=zero2;model.layers=2")]
    [InlineData(4, "parallel.pipeline=2;parallel.virtual_stages=2;model.layers=5;data.global_batch=8;data.micro_batch=2;run.probe_every=5")]
    [InlineData(2, "run.keep_every=1500")]
    public void LayoutsThatFitPass(int ranks, string settings) => RunConfigRules.Check(Read([.. settings.Split(';').Select(ConfigOverride.Parse)]), ranks);

    [Theory]
    [InlineData(0, "", "start at least one rank")]
    [InlineData(3, "parallel.tensor=2", "2 or 4")]
    [InlineData(3, "parallel.pipeline=2", "2 or 4 ranks, or change parallel.tensor or parallel.context or parallel.pipeline")]
    public void RanksMustFitTheLayout(int ranks, string setting, string remedy)
    {
        var config = Read(setting.Length == 0 ? [] : [ConfigOverride.Parse(setting)]);

        var error = Assert.Throws<ConfigException>(() => RunConfigRules.Check(config, ranks));

        var fault = Assert.Single(error.Faults, fault => fault.Key == "--ranks");
        Assert.Equal(ranks.ToString(System.Globalization.CultureInfo.InvariantCulture), fault.Value);
        Assert.Contains(remedy, fault.Remedy);
    }

    [Fact]
    public void NamesAreForValidationData()
    {
        var error = Assert.Throws<ConfigException>(() => RunConfigRules.Check(Read([ConfigOverride.Parse("data.train={books: a.parquet}")]), ranks: 1));

        Assert.Equal("data.train", Assert.Single(error.Faults).Key);
    }

    [Fact]
    public void AllBrokenRulesAreNamed()
    {
        var config = Read([.. ((string[])["run.steps=0", "optimizer.lr=-1", "parallel.context=0"]).Select(ConfigOverride.Parse)]);

        var error = Assert.Throws<ConfigException>(() => RunConfigRules.Check(config, ranks: 1));

        Assert.Equal(["run.steps", "parallel.context", "optimizer.lr"], error.Faults.Select(fault => fault.Key));
    }

    private static RunConfig Read(IReadOnlyList<ConfigOverride> overrides) => RunConfigReader.Parse(Valid, "valid.yaml", overrides);
}
