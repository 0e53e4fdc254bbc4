namespace KvShiftScale.Data.Preparation;

/// <summary>How far a preparation is, what earlier launches did included.</summary>
/// <param name="Documents">Documents handed to the writer.</param>
/// <param name="TextBytes">Bytes of their text in UTF-8.</param>
/// <param name="Tokens">Their ids, end-of-text ids included.</param>
/// <param name="InputBytes">Bytes of the input files read, as they are stored.</param>
/// <param name="TotalInputBytes">Bytes of all input files.</param>
public readonly record struct PreparationProgress(long Documents, long TextBytes, long Tokens, long InputBytes, long TotalInputBytes);
