namespace KvShiftScale.Data.Tokenization.Vocabulary;

/// <summary>A token that is found in the text as it stands, before anything is split or merged.</summary>
/// <param name="Content">What is looked for.</param>
/// <param name="Id">Its id.</param>
/// <param name="IsSpecial">Controls a model, such as the end of text; looked for on demand only.</param>
/// <param name="SingleWord">Only where no letter, digit or underscore stands beside it.</param>
/// <param name="TakesBlanksBefore">White space before it belongs to it (<c>lstrip</c>).</param>
/// <param name="TakesBlanksAfter">White space after it belongs to it (<c>rstrip</c>).</param>
/// <param name="Normalized">Looked for in the normalized text.</param>
internal sealed record AddedToken(
    string Content, int Id, bool IsSpecial, bool SingleWord, bool TakesBlanksBefore, bool TakesBlanksAfter, bool Normalized);
