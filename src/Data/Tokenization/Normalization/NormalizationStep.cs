namespace KvShiftScale.Data.Tokenization.Normalization;

/// <summary>A change to the text before it is split.</summary>
internal abstract record NormalizationStep
{
    public abstract string Apply(string text);
}
