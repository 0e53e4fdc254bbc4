namespace KvShiftScale.Data;

/// <summary>What has been tokenized and handed to the writer.</summary>
/// <param name="Documents">Documents, empty ones included.</param>
/// <param name="Characters">UTF-16 code units of their text.</param>
/// <param name="Tokens">Ids, end-of-text ids included.</param>
public readonly record struct TokenizationProgress(long Documents, long Characters, long Tokens);
