namespace KvShiftScale.Trainer.Planning;

/// <summary>Bytes that one rank holds from the first step to the last; activations and buffers come on top.</summary>
internal sealed record MemoryEstimate(double Parameters, double Gradients, double Optimizer)
{
    /// <summary>All of it.</summary>
    public double Total => Parameters + Gradients + Optimizer;
}
