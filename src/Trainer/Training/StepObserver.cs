using KvShiftScale.Trainer.Session;
using KvShiftScale.Trainer.Signals;

namespace KvShiftScale.Trainer.Training;

/// <summary>A step that was made, as those see it who act after it, one after the other.</summary>
/// <param name="number">Number of the step.</param>
/// <param name="outcome">What it did.</param>
/// <param name="isLast">The run has no other.</param>
internal sealed class FinishedStep(long number, StepOutcome outcome, bool isLast)
{
    /// <summary>Number of the step.</summary>
    public long Number => number;

    /// <summary>What it did.</summary>
    public StepOutcome Outcome => outcome;

    /// <summary>The run has no other.</summary>
    public bool IsLast => isLast;

    /// <summary>What signals have asked for; the same on all ranks.</summary>
    public SignalWish Wish { get; set; }

    /// <summary>Ranks have agreed to leave after this step, before the run is done.</summary>
    public bool Stops { get; set; }

    /// <summary>Whether what happens every so many steps happens after this one; where it is every 0 steps, never.</summary>
    public bool IsDue(int every) => IsDue(number, every);

    /// <inheritdoc cref="IsDue(int)"/>
    public static bool IsDue(long step, int every) => every > 0 && step % every == 0;
}

/// <summary>Something that happens after each step.</summary>
/// <param name="Name">What it does, in a word or two.</param>
/// <param name="After">Does it. Collective.</param>
internal sealed record StepObserver(string Name, Action<FinishedStep> After);
