using KvShiftScale.Core.Configuration;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Tests.Configuration;

public sealed class ConfigKeysTests
{
    [Theory]
    [InlineData("GlobalBatch", "global_batch")]
    [InlineData("Beta1", "beta1")]
    [InlineData("Fp32", "fp32")]
    [InlineData("HttpProtobuf", "http_protobuf")]
    [InlineData("OtlpEndpoint", "otlp_endpoint")]
    public void NamesAreSnakeCase(string declared, string key) => Assert.Equal(key, ConfigKeys.NameOf(declared));

    [Theory]
    [InlineData("", "abc", 3)]
    [InlineData("steps", "steps", 0)]
    [InlineData("Steps", "steps", 0)]
    [InlineData("stpes", "steps", 1)]
    [InlineData("step", "steps", 1)]
    [InlineData("kitten", "sitting", 3)]
    public void EditDistanceCountsChanges(string from, string to, int distance) =>
        Assert.Equal(distance, ConfigKeys.EditDistance(from, to));

    [Fact]
    public void ComputedPropertiesAreNoKeys()
    {
        var keys = ConfigKeys.PropertiesOf(typeof(ModelConfig)).Select(property => property.Name).ToArray();

        Assert.Contains("KvHeads", keys);
        Assert.DoesNotContain("ResolvedKvHeads", keys);
    }

    [Fact]
    public void KeysThatScriptsSetExist()
    {
        string[] promised =
        [
            "run.name", "run.steps", "run.seed", "run.deterministic", "run.checkpoint_every", "run.log_every", "run.validate_every",
            "run.directory", "data.train", "data.validation", "data.global_batch", "data.micro_batch", "data.context", "parallel.tensor",
            "parallel.sequence", "parallel.optimizer_sharding", "parallel.overlap", "model.vocab_size", "model.hidden_size", "model.layers",
            "model.heads", "model.kv_heads", "model.ffn_size", "model.rope_base", "model.tie_embeddings", "model.kv_shift", "optimizer.lr", "precision",
            "telemetry.otlp_endpoint", "model.preset", "run.check_collectives", "run.async_save", "run.failed_saves",
            "run.visibility_seconds", "run.stall_timeout_seconds", "run.kernels",
        ];

        Assert.Empty(promised.Except(ConfigKeys.PathsBelow(typeof(RunConfig), "")));
    }
}
