namespace KvShiftScale.Data.Preparation;

/// <summary>What has been tokenized and handed to the writer.</summary>
/// <param name="Documents">Documents, empty ones included.</param>
/// <param name="TextBytes">Bytes of their text in UTF-8.</param>
/// <param name="Tokens">Ids, end-of-text ids included.</param>
internal readonly record struct TokenizationProgress(long Documents, long TextBytes, long Tokens);
