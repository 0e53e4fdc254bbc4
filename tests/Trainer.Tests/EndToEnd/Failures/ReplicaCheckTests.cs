using KvShiftScale.Core;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd.Failures;

/// <summary>One bit of one rank's memory: it is found, named, and not saved.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class ReplicaCheckTests(TrainingFixture fixture)
{
    // Matrices in order: embedding, then q, k, v, o and the scalars, gate, up, down of two layers; the norm is held whole by tensor-parallel ranks.
    [Theory]
    [InlineData("flip-data", 2, "flip@parameter:5,rank=1", "parameter model.layers.", "rank 0 and rank 1 differ, and there is no majority")]
    [InlineData("flip-tensor", 2, "flip@norm:5,rank=1", "parameter model.norm.weight", "rank 0 and rank 1 differ, and there is no majority", "parallel.tensor=2")]
    [InlineData("flip-data-tensor", 4, "flip@norm:5,rank=3", "parameter model.norm.weight", "rank 3 differs from ranks 0, 1, 2", "parallel.tensor=2")]
    [InlineData("flip-moment", 4, "flip@moment:5,rank=2", "exp_avg of model.layers.", "rank 2 differs from ranks 0, 1, 3", "parallel.optimizer_sharding=none")]
    [InlineData("flip-context", 2, "flip@parameter:5,rank=0", "parameter model.layers.", "rank 0 and rank 1 differ, and there is no majority", "parallel.context=2")]
    [InlineData("flip-tied", 2, "flip@first:5,rank=1", "parameter model.embed_tokens.weight", "rank 0 and rank 1 differ, and there is no majority", "parallel.pipeline=2",
        "model.tie_embeddings=true")]
    public void FlippedBitIsNamedAndTheCheckpointBeforeStays(string name, int ranks, string fault, string tensor, string who, params string[] settings)
    {
        using var faults = new InjectedEnvironment(fault);
        // The checkpoint of step 5 is due, too, and is not written.
        var output = MpiRun.Execute(ranks, ProgramRun.KvShift, fixture.TrainArguments(name,
            ["run.steps=8", "run.validate_every=0", "run.checkpoint_every=1", "run.keep_checkpoints=9", "run.replica_check_every=5", .. settings]), ExitCode.Failed);

        Assert.Contains($"after step 5 copies that have to be the same are not: {tensor}", output, StringComparison.Ordinal);
        Assert.Contains(who, output, StringComparison.Ordinal);
        Assert.Contains("In all 1 of ", output, StringComparison.Ordinal);
        Assert.Equal("step-00000004\n", File.ReadAllText(fixture.RunOf(name).PathOf("checkpoints", "latest")));
        Assert.False(Directory.Exists(fixture.RunOf(name).Checkpoint(5)));
    }
}
