namespace KvShiftScale.Trainer.Planning;

/// <summary>Bytes that one rank holds from the first step to the last; activations and buffers come on top.</summary>
/// <param name="Staging">Copy of what the rank saves, from which checkpoints are written beside training.</param>
internal sealed record MemoryEstimate(double Parameters, double Gradients, double Optimizer, double Staging)
{
    /// <summary>All of it.</summary>
    public double Total => Parameters + Gradients + Optimizer + Staging;
}
