namespace KvShiftScale.Data.Tokenization.Training;

/// <summary>How far the training of a tokenizer has come: first all documents are read, then merges are learnt.</summary>
/// <param name="Documents">Documents read.</param>
/// <param name="Characters">UTF-16 units read.</param>
/// <param name="Merges">Merges learnt.</param>
/// <param name="MergesWanted">Merges that the vocabulary asks for.</param>
public readonly record struct BpeTrainingProgress(long Documents, long Characters, int Merges, int MergesWanted);
