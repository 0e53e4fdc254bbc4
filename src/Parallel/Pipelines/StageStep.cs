namespace KvShiftScale.Parallel.Pipelines;

/// <summary>What a stage does with a pass.</summary>
public enum StageAction
{
    /// <summary>Computes it.</summary>
    Compute,

    /// <summary>Receives what it begins with: an activation, or the gradient of one.</summary>
    Receive,

    /// <summary>Sends what it has made to the stage that goes on with it.</summary>
    Send,
}

/// <summary>One thing of a stage's step.</summary>
/// <param name="Action">What is done.</param>
/// <param name="Pass">A pass of this stage.</param>
public readonly record struct StageStep(StageAction Action, StagePass Pass)
{
    /// <summary>For example <c>F3</c>, <c>receive F3</c>.</summary>
    public override string ToString() => Action == StageAction.Compute ? $"{Pass}" : $"{Action.ToString().ToLowerInvariant()} {Pass}";
}
