namespace KvShiftScale.Data.Tokenization.Normalization;

/// <summary>Puts something before a text that is not empty.</summary>
internal sealed record PrependStep(string Prefix) : NormalizationStep
{
    public override string Apply(string text) => text.Length == 0 ? text : Prefix + text;

    public override string ToString() => $"prepend '{Prefix}'";
}
