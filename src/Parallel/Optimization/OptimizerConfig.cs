namespace KvShiftScale.Parallel.Optimization;

/// <summary>How the learning rate goes on after warm-up.</summary>
public enum LearningRateDecay
{
    /// <summary>Stays at its peak, as in the KV shifting paper (Table 6).</summary>
    Constant,

    /// <summary>Half a cosine from the peak to <see cref="OptimizerConfig.FinalLrFraction"/> of it at the last step.</summary>
    Cosine,

    /// <summary>A straight line from the peak to <see cref="OptimizerConfig.FinalLrFraction"/> of it at the last step.</summary>
    Linear,

    /// <summary>
    /// Warm-up, a plateau at the peak, and a straight line down to <see cref="OptimizerConfig.FinalLrFraction"/> of it over the last
    /// <see cref="OptimizerConfig.DecaySteps"/> steps. A run that is on its plateau may become longer without a kink.
    /// </summary>
    Wsd,
}

/// <summary>The <c>optimizer</c> section of a run's configuration: AdamW and its schedule.</summary>
public sealed record OptimizerConfig
{
    /// <summary>Peak learning rate.</summary>
    public double Lr { get; init; } = 2e-4;

    /// <summary>Steps of linear warm-up from zero.</summary>
    public int WarmupSteps { get; init; } = 1000;

    /// <summary>Shape of the schedule after warm-up.</summary>
    public LearningRateDecay Decay { get; init; } = LearningRateDecay.Constant;

    /// <summary>Learning rate at the last step of a schedule that falls, as a fraction of the peak.</summary>
    public double FinalLrFraction { get; init; } = 0.1;

    /// <summary>Last steps of the run, over which <see cref="LearningRateDecay.Wsd"/> falls; 0: a tenth of all, one at least.</summary>
    public int DecaySteps { get; init; }

    /// <summary>Decay of the first moment.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the second moment.</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>Added to the root of the second moment.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay of matrices; norm weights and the scalars of the KV shift have none.</summary>
    public double WeightDecay { get; init; } = 0.1;

    /// <summary>Bound on the global L2 norm of the gradient; 0 does not clip.</summary>
    public double ClipNorm { get; init; } = 1.0;
}
