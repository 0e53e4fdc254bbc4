namespace KvShiftScale.Data.Tokenization.Splitting;

/// <summary>What published split expressions tell apart: <c>\p{L}</c>, <c>\p{N}</c>, <c>\s</c> and the rest.</summary>
internal enum CharacterClass : byte
{
    Other,
    Letter,
    Number,
    WhiteSpace,
}
