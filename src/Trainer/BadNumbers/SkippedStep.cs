using KvShiftScale.Data.Loading;

namespace KvShiftScale.Trainer.BadNumbers;

/// <summary>A step whose numbers were bad: a line of <c>skipped.jsonl</c>, with what it takes to find the text that it was computed on.</summary>
internal sealed record SkippedStep
{
    /// <summary>Number of the step.</summary>
    public required long Step { get; init; }

    /// <summary>What was wrong.</summary>
    public required StepFault Why { get; init; }

    /// <summary>skip, or clip for an update with a smaller gradient.</summary>
    public required string Action { get; init; }

    /// <summary>Skipped steps up to this one without one between them that was not.</summary>
    public required int InARow { get; init; }

    /// <summary>Mean loss over the valid targets of the step, infinite and not a number included.</summary>
    public required double Loss { get; init; }

    /// <summary>Gradient norm before clipping, likewise.</summary>
    public required double GradNorm { get; init; }

    /// <summary>What the number at fault had to stay below; null where it had only to be finite.</summary>
    public double? Threshold { get; init; }

    /// <summary>The step's first row in the global order; its others follow.</summary>
    public required long FirstRow { get; init; }

    /// <summary>Rows of the step.</summary>
    public required int Rows { get; init; }

    /// <summary>All micro-batches of all ranks.</summary>
    public required IReadOnlyList<SkippedMicroBatch> MicroBatches { get; init; }

    /// <summary>Where the rows of the suspect micro-batches come from.</summary>
    public IReadOnlyList<RowOrigin> Suspects { get; init; } = [];
}
