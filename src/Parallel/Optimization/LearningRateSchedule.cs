namespace KvShiftScale.Parallel.Optimization;

/// <summary>Linear warm-up, then a plateau or a way down: a pure function of the step, so that a resume needs no state of it.</summary>
public sealed class LearningRateSchedule(OptimizerConfig config, long totalSteps)
{
    /// <summary>Learning rate of the update that ends step <paramref name="step"/>, which counts from 1.</summary>
    public double At(long step)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(step, 1);
        if (step <= config.WarmupSteps)
        {
            return config.Lr * step / config.WarmupSteps;
        }

        if (config.Decay == LearningRateDecay.Constant)
        {
            return config.Lr;
        }

        var start = config.Decay == LearningRateDecay.Wsd ? PlateauEnd : config.WarmupSteps;
        var length = Math.Max(1, totalSteps - start);
        var progress = Math.Clamp((double)(step - start) / length, 0.0, 1.0);
        var final = config.Lr * config.FinalLrFraction;
        var height = config.Decay == LearningRateDecay.Cosine ? 0.5 * (1 + Math.Cos(Math.PI * progress)) : 1 - progress;
        return final + (config.Lr - final) * height;
    }

    /// <summary>The last step at the peak of a schedule with a plateau; where there is none, the last of warm-up.</summary>
    public long PlateauEnd => config.Decay switch
    {
        LearningRateDecay.Constant => totalSteps,
        LearningRateDecay.Wsd => Math.Max(config.WarmupSteps, totalSteps - FallingSteps),
        _ => config.WarmupSteps,
    };

    private long FallingSteps => config.DecaySteps > 0 ? config.DecaySteps : Math.Max(1, totalSteps / 10);
}
