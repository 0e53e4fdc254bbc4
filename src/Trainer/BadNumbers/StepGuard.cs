using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.BadNumbers;

/// <summary>
/// Decides which steps are skipped: those whose loss or gradient norm is not finite, and by choice those that are spikes. A pure function
/// of the numbers it has been given, in their order; given the same on all ranks, it decides the same on all.
/// </summary>
internal sealed class StepGuard
{
    // Baichuan-M1 technical report, Algorithm 1.
    private const double MeanFactor = 1.2;
    private const double MeanMargin = 0.1;

    // A window of nearly equal numbers makes a spike of any change; below this share of the mean a deviation is none.
    private const double LeastDeviation = 1e-3;

    private readonly RunSection _settings;

    /// <param name="settings">Rule, window, threshold and action.</param>
    public StepGuard(RunSection settings) => _settings = settings;

    /// <summary>What the next decision depends on; a new run's until it is set to where an earlier launch ended.</summary>
    public StepGuardState State { get; set; } = new();

    /// <summary>Decides about the next step, and remembers its numbers.</summary>
    /// <param name="loss">Mean loss of the step.</param>
    /// <param name="gradientNorm">Norm of its gradient before clipping.</param>
    public StepVerdict Decide(double loss, double gradientNorm)
    {
        var verdict = Judge(loss, gradientNorm);
        var isSpike = verdict.Fault is StepFault.LossSpike or StepFault.GradNormSpike;
        var keeps = _settings.SpikeRule != SpikeRule.None && !verdict.IsSkip;
        State = new StepGuardState
        {
            SkippedSteps = State.SkippedSteps + (verdict.IsSkip ? 1 : 0),
            SkipsInARow = verdict.IsSkip ? State.SkipsInARow + 1 : 0,
            AfterSpike = isSpike,
            // What was a spike must not raise the mean and so let the next one pass.
            Losses = keeps && verdict.Fault == StepFault.None ? Appended(State.Losses, loss) : State.Losses,
            GradientNorms = keeps ? Appended(State.GradientNorms, Math.Min(gradientNorm, verdict.NormBound ?? gradientNorm)) : State.GradientNorms,
        };
        return verdict;
    }

    private StepVerdict Judge(double loss, double norm)
    {
        if (!double.IsFinite(loss))
        {
            return new StepVerdict(StepFault.NonFiniteLoss);
        }

        if (!double.IsFinite(norm))
        {
            return new StepVerdict(StepFault.NonFiniteGradNorm);
        }

        switch (_settings.SpikeRule)
        {
            case SpikeRule.BaichuanM1 when IsFull(State.GradientNorms) && !State.AfterSpike:
                var threshold = MeanFactor * Mean(State.GradientNorms) + MeanMargin;
                return norm > threshold ? Spike(StepFault.GradNormSpike, threshold) : default;
            case SpikeRule.ZScore:
                if (IsFull(State.Losses) && ThresholdOf(State.Losses) is var lossThreshold && loss > lossThreshold)
                {
                    return Spike(StepFault.LossSpike, lossThreshold);
                }

                if (IsFull(State.GradientNorms) && ThresholdOf(State.GradientNorms) is var normThreshold && norm > normThreshold)
                {
                    return Spike(StepFault.GradNormSpike, normThreshold);
                }

                return default;
            default:
                return default;
        }
    }

    private StepVerdict Spike(StepFault fault, double threshold)
        => new(fault, threshold, _settings.SpikeAction == SpikeAction.Clip ? Mean(Latest(State.GradientNorms)) : null);

    private double ThresholdOf(IReadOnlyList<double> values)
    {
        var window = Latest(values);
        var mean = Mean(window);
        var squares = 0.0;
        foreach (var value in window)
        {
            squares += (value - mean) * (value - mean);
        }

        var deviation = Math.Max(Math.Sqrt(squares / (window.Count - 1)), LeastDeviation * Math.Abs(mean));
        return mean + _settings.SpikeZ * deviation;
    }

    // Summed anew from the oldest on: a running sum would depend on what has left the window.
    private double Mean(IReadOnlyList<double> values)
    {
        var sum = 0.0;
        var window = Latest(values);
        foreach (var value in window)
        {
            sum += value;
        }

        return sum / window.Count;
    }

    private bool IsFull(IReadOnlyList<double> values) => values.Count >= _settings.SpikeWindow;

    // A run that goes on with a shorter window has more than that.
    private IReadOnlyList<double> Latest(IReadOnlyList<double> values)
        => values.Count <= _settings.SpikeWindow ? values : [.. values.Skip(values.Count - _settings.SpikeWindow)];

    private double[] Appended(IReadOnlyList<double> values, double value)
        => [.. values.Skip(Math.Max(0, values.Count + 1 - _settings.SpikeWindow)), value];
}
