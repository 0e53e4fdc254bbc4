namespace KvShiftScale.Data.Synthetic;

/// <summary>Sizes of an induction task.</summary>
public sealed record InductionTask
{
    /// <summary>How sequences are made.</summary>
    public required InductionGenerator Generator { get; init; }

    /// <summary>Ids are below it.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Different ids of one sequence, drawn anew for each.</summary>
    public required int Candidates { get; init; }

    /// <summary>Tokens of a sequence; for <see cref="InductionGenerator.SingleRepeat"/> one more than candidates.</summary>
    public required int Context { get; init; }

    /// <summary>Accuracy of naming some id of a <see cref="InductionGenerator.SingleRepeat"/> sequence that was followed by another.</summary>
    public double GuessingAccuracy => 1.0 / (Candidates - 1);

    /// <summary>Checks the sizes against each other.</summary>
    /// <exception cref="ArgumentException">A size is out of range.</exception>
    public void Validate()
    {
        if (Candidates < 3 || Candidates > VocabularySize)
        {
            throw new ArgumentException($"{Candidates} candidates of {VocabularySize} ids; wanted at least 3 candidates and no more than ids");
        }

        if (Context < 2)
        {
            throw new ArgumentException($"a context of {Context}; wanted at least 2");
        }

        if (Generator == InductionGenerator.SingleRepeat && Context != Candidates + 1)
        {
            throw new ArgumentException($"a context of {Context} for {Candidates} distinct ids and one repeat; wanted {Candidates + 1}");
        }
    }
}
