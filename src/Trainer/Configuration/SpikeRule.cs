namespace KvShiftScale.Trainer.Configuration;

/// <summary>What counts as a spike: a step whose numbers are finite but far from those before it.</summary>
public enum SpikeRule
{
    /// <summary>Nothing; only numbers that are not finite are looked for.</summary>
    None,

    /// <summary>
    /// The gradient norm exceeds 1.2 times its mean over the window by more than 0.1, and the step before was no spike (Baichuan-M1 technical
    /// report, Algorithm 1).
    /// </summary>
    BaichuanM1,

    /// <summary>Loss or gradient norm lie more than <see cref="RunSection.SpikeZ"/> standard deviations above their mean over the window.</summary>
    ZScore,
}
