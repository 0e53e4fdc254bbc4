namespace KvShiftScale.Data.Tokenization.Vocabulary;

/// <summary>The token that ends a document, or begins it, as a tokenizer's files say it.</summary>
/// <param name="Token">The vocabulary's spelling; null where there is none.</param>
/// <param name="Missing">Why there is none, as a sentence without a full stop; null where there is one.</param>
internal sealed record TokenRole(string? Token, string? Missing)
{
    /// <summary>What the files of a folder state: a name, an id, or a contradiction.</summary>
    /// <param name="Place">The file and key, for messages.</param>
    /// <param name="Token">The name, where a name is stated.</param>
    /// <param name="Id">The id, where an id is stated.</param>
    internal sealed record Statement(string Place, string? Token, int? Id);

    /// <summary>The role of what is stated, the first statement first; else of the first known name in the vocabulary.</summary>
    /// <param name="description">Has the vocabulary.</param>
    /// <param name="role">"ends" or "begins", for messages.</param>
    /// <param name="names">Statements by name; they must agree.</param>
    /// <param name="ids">Statements by id, asked where no name is stated.</param>
    /// <param name="known">Names in published vocabularies.</param>
    public static TokenRole Of(
        TokenizerDescription description, string role, IReadOnlyList<Statement> names, IReadOnlyList<Statement> ids, IReadOnlyList<string> known)
    {
        if (names.FirstOrDefault(name => name.Token != names[0].Token) is { } other)
        {
            return new TokenRole(null, $"{names[0].Place} says that '{names[0].Token}' {role} a document, and {other.Place} says '{other.Token}'");
        }

        if (names is [var named, ..])
        {
            return description.Vocabulary.ContainsKey(named.Token!)
                ? new TokenRole(named.Token, null)
                : new TokenRole(null, $"{named.Place} says that '{named.Token}' {role} a document, and no file gives that token an id");
        }

        if (ids is [var numbered, ..])
        {
            return description.Vocabulary.FirstOrDefault(entry => entry.Value == numbered.Id) is { Key: { } token }
                ? new TokenRole(token, null)
                : new TokenRole(null, $"{numbered.Place} says that id {numbered.Id} {role} a document, and the vocabulary has no such id");
        }

        return known.FirstOrDefault(description.Vocabulary.ContainsKey) is { } found
            ? new TokenRole(found, null)
            : new TokenRole(null, $"{description.Source}: no file says which token {role} a document, and the vocabulary has none of {string.Join(' ', known)}");
    }
}
