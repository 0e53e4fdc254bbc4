namespace KvShiftScale.Parallel.Optimization;

/// <summary>Linear warm-up, then constant or half a cosine: a pure function of the step.</summary>
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

        var length = Math.Max(1, totalSteps - config.WarmupSteps);
        var progress = Math.Min(1.0, (double)(step - config.WarmupSteps) / length);
        var final = config.Lr * config.FinalLrFraction;
        return final + (config.Lr - final) * 0.5 * (1 + Math.Cos(Math.PI * progress));
    }
}
