using KvShiftScale.Models.Configuration;

namespace KvShiftScale.Trainer.Experiments.Compare;

/// <summary>What came out of one training run.</summary>
/// <param name="Variant">What was shifted.</param>
/// <param name="Seed">Seed of initial weights and data order.</param>
/// <param name="Folder">The run's folder.</param>
/// <param name="Validation">Validation losses by step.</param>
/// <param name="TrainingLoss">Mean training loss over the last tenth of the logged steps.</param>
/// <param name="TrainingSeconds">Time in steps.</param>
internal sealed record CompareResult(
    KvShiftVariant Variant, long Seed, string Folder, IReadOnlyList<CompareLoss> Validation, double TrainingLoss, double TrainingSeconds)
{
    /// <summary>Validation loss after the last step.</summary>
    public double Last => Validation[^1].Loss;
}
