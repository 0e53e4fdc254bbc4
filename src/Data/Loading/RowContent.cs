namespace KvShiftScale.Data.Loading;

/// <summary>What <see cref="RowStream.Read"/> has put into a row.</summary>
/// <param name="Tokens">Ids: context + 1, or from 2 on where documents are padded.</param>
/// <param name="DocumentStarts">Places at which a document begins, the row's own start not counted.</param>
internal readonly record struct RowContent(int Tokens, int DocumentStarts);
