namespace KvShiftScale.Core.Progress;

/// <summary>What a rank is doing, as its heartbeat says it.</summary>
public enum RunPhase
{
    /// <summary>Reads configuration, data and weights, and measures the machine.</summary>
    Loading,

    /// <summary>Waits for the batch of a step.</summary>
    Data,

    /// <summary>Forward of a micro-batch.</summary>
    Forward,

    /// <summary>Backward of a micro-batch.</summary>
    Backward,

    /// <summary>Sums gradients, losses and norms over ranks.</summary>
    Reduce,

    /// <summary>Updates its parameters.</summary>
    Optimizer,

    /// <summary>Collects the parameters that other ranks have updated.</summary>
    Gather,

    /// <summary>Computes the loss of the validation data.</summary>
    Evaluate,

    /// <summary>Probes the heads.</summary>
    Probe,

    /// <summary>Writes a checkpoint.</summary>
    Save,

    /// <summary>Writes the report.</summary>
    Report,
}
