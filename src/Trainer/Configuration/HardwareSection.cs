namespace KvShiftScale.Trainer.Configuration;

/// <summary>The <c>hardware</c> section of a run's configuration: what the machine can do and the program cannot find out.</summary>
public sealed record HardwareSection
{
    /// <summary>
    /// TFLOP/s that the device of one rank can do at most at the training precision, as its maker states it for dense products; MFU is
    /// given against it. Not set: known for GPUs that the program has in its table, and unknown elsewhere.
    /// </summary>
    public double? PeakTflops { get; init; }
}
