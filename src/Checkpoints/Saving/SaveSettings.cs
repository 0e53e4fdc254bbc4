using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.Checkpoints.Saving;

/// <summary>What a run wants of its saves.</summary>
public sealed record SaveSettings
{
    /// <summary>Steps between saves; 0 for one after the last step only.</summary>
    public required long Every { get; init; }

    /// <summary>Step after which nothing is left to train.</summary>
    public required long LastStep { get; init; }

    /// <summary>Write beside training, from a copy; otherwise training waits for the disk.</summary>
    public required bool IsBeside { get; init; }

    /// <summary>Newest good checkpoints that stay on disk.</summary>
    public required int Keep { get; init; }

    /// <summary>Checkpoints of steps that are multiples of it stay too; 0 for none.</summary>
    public required long KeepEvery { get; init; }

    /// <summary>Saves in a row that may fail while training goes on.</summary>
    public required int AllowedFailures { get; init; }

    /// <summary>How long a file that another rank has written may take to become visible to the first.</summary>
    public required TimeSpan Patience { get; init; }

    /// <summary>The run's tokenizer, a folder or a file, which each checkpoint has a copy of; null for none.</summary>
    public required string? Tokenizer { get; init; }

    /// <summary>Number format of the model, for people who read the manifest.</summary>
    public required Precision Precision { get; init; }

    /// <summary>How the optimizer's state is divided, for the same people.</summary>
    public required OptimizerSharding OptimizerSharding { get; init; }
}
