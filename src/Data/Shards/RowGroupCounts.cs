namespace KvShiftScale.Data;

/// <summary>How much a row group holds.</summary>
/// <param name="Documents">Rows, empty documents included.</param>
/// <param name="Tokens">Ids, exactly.</param>
public readonly record struct RowGroupCounts(int Documents, int Tokens);
