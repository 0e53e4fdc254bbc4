namespace KvShiftScale.Data.Tokenization.Normalization;

/// <summary>Writes U+2581 for blanks, and when to put one before a text that does not begin with one.</summary>
internal enum MetaspaceRule
{
    Never,

    /// <summary>Before the beginning of a document, not after an added token in it.</summary>
    First,

    Always,
}
