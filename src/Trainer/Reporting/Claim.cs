namespace KvShiftScale.Trainer.Reporting;

/// <summary>A statement that an experiment checks.</summary>
/// <param name="Sentence">What is claimed.</param>
/// <param name="Holds">Whether it was found so; null: not measured.</param>
/// <param name="Found">The figures.</param>
internal sealed record Claim(string Sentence, bool? Holds, string Found)
{
    /// <summary>One word or three for tables.</summary>
    public string Verdict => Holds switch { true => "holds", false => "does not hold", null => "not measured" };
}
