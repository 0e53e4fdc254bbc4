namespace KvShiftScale.Trainer.Configuration;

/// <summary>What is done with a step that is a spike.</summary>
public enum SpikeAction
{
    /// <summary>No update.</summary>
    Skip,

    /// <summary>An update with the gradient scaled down to the mean norm of the window.</summary>
    Clip,
}
