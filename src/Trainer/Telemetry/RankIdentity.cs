namespace KvShiftScale.Trainer.Telemetry;

/// <summary>Who exports: one process of a launch.</summary>
/// <param name="RunName">Name of the run.</param>
/// <param name="Rank">Number of the process among all of the launch, from 0.</param>
/// <param name="RankCount">Processes of the launch.</param>
/// <param name="DataIndex">Place among the data-parallel copies of the model, from 0.</param>
/// <param name="TensorIndex">Place among the ranks that share one copy, from 0.</param>
/// <param name="Host">Name of the machine.</param>
public sealed record RankIdentity(string RunName, int Rank, int RankCount, int DataIndex, int TensorIndex, string Host);
