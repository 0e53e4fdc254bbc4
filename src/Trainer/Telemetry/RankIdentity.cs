namespace KvShiftScale.Trainer.Telemetry;

/// <summary>Who exports: one process of a launch.</summary>
/// <param name="RunName">Name of the run.</param>
/// <param name="RunId">What tells the run from all others, of the same name too; the same for all of its launches.</param>
/// <param name="Rank">Number of the process among all of the launch, from 0.</param>
/// <param name="RankCount">Processes of the launch.</param>
/// <param name="DataIndex">Place among the shares of the samples, from 0.</param>
/// <param name="ContextIndex">Place among the ranks that share sequences, from 0.</param>
/// <param name="TensorIndex">Place among the ranks that divide the same matrices, from 0.</param>
/// <param name="Host">Name of the machine.</param>
public sealed record RankIdentity(
    string RunName, string RunId, int Rank, int RankCount, int DataIndex, int ContextIndex, int TensorIndex, string Host)
{
    /// <summary>Stage of the pipeline, from 0.</summary>
    public int PipelineIndex { get; init; }

    /// <summary>What tells this process from all others, of other launches of the run too.</summary>
    public string InstanceId { get; init; } = Guid.NewGuid().ToString();

    /// <summary>The system's number of the process.</summary>
    public int ProcessId { get; init; } = Environment.ProcessId;

    /// <summary>Number of the batch job; null where there is none.</summary>
    public string? SlurmJob { get; init; }
}
