namespace KvShiftScale.Data.Tokenization.Normalization;

/// <summary>Replaces a string wherever it occurs.</summary>
internal sealed record ReplaceStep(string Pattern, string Content) : NormalizationStep
{
    public override string Apply(string text) => text.Replace(Pattern, Content, StringComparison.Ordinal);

    public override string ToString() => $"replace '{Pattern}' by '{Content}'";
}
