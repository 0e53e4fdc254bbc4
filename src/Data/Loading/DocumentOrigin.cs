namespace KvShiftScale.Data.Loading;

/// <summary>Tokens of a document, as a shard has it.</summary>
/// <param name="File">The shard.</param>
/// <param name="RowGroup">Row group of the shard, from 0.</param>
/// <param name="Document">Row of the row group, from 0.</param>
/// <param name="FirstToken">First token taken.</param>
/// <param name="Tokens">Tokens taken.</param>
public sealed record DocumentOrigin(string File, int RowGroup, int Document, int FirstToken, int Tokens);
