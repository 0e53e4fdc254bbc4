namespace KvShiftScale.Data.Tokenization.Vocabulary;

/// <summary>What merging begins with.</summary>
internal enum SymbolKind
{
    /// <summary>The bytes of the text, spelled in the byte alphabet.</summary>
    Bytes,

    /// <summary>The characters of the text; those that the vocabulary lacks as bytes, spelled like <c>&lt;0x0A&gt;</c>.</summary>
    CharactersOrBytes,
}
