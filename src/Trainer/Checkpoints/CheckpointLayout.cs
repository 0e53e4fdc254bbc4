namespace KvShiftScale.Trainer.Checkpoints;

/// <summary>The launch that wrote a checkpoint, for people; reading does not depend on it.</summary>
/// <param name="Ranks">Processes.</param>
/// <param name="Data">Data-parallel degree.</param>
/// <param name="Context">Context-parallel degree.</param>
/// <param name="Tensor">Tensor-parallel degree.</param>
/// <param name="OptimizerSharding"><c>none</c> or <c>zero1</c>.</param>
/// <param name="Precision"><c>fp32</c>, <c>bf16</c> or <c>fp64</c>.</param>
public sealed record CheckpointLayout(int Ranks, int Data, int Context, int Tensor, string OptimizerSharding, string Precision)
{
    /// <inheritdoc/>
    public override string ToString()
        => $"{Ranks} {(Ranks == 1 ? "rank" : "ranks")}: data {Data} x context {Context} x tensor {Tensor}, optimizer_sharding {OptimizerSharding}, {Precision}";
}
