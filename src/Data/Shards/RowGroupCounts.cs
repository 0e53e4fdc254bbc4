namespace KvShiftScale.Data.Shards;

/// <summary>How much a row group holds.</summary>
/// <param name="Documents">Rows, empty documents included.</param>
/// <param name="Tokens">Ids, exactly; <see cref="Unknown"/> where the footer does not tell and nobody has counted.</param>
public readonly record struct RowGroupCounts(int Documents, int Tokens)
{
    /// <summary>Stands for a number of tokens that is not known.</summary>
    public const int Unknown = -1;
}
