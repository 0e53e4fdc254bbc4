namespace KvShiftScale.Data.Tokenization;

/// <summary>A byte-level BPE as its files state it.</summary>
/// <param name="Source">The folder or file it was read from, for messages.</param>
/// <param name="Vocabulary">Token string in the byte alphabet to id; added tokens are spelled as they are.</param>
/// <param name="Merges">"left right", by rank.</param>
/// <param name="SpecialTokens">Tokens of <paramref name="Vocabulary"/> that ordinary text never gives. End of text is one of them.</param>
/// <param name="EndOfText">The token that ends a document.</param>
internal sealed record BpeTables(
    string Source,
    IReadOnlyDictionary<string, int> Vocabulary,
    IReadOnlyList<string> Merges,
    IReadOnlySet<string> SpecialTokens,
    string EndOfText)
{
    /// <summary>Spellings of the end of text in published vocabularies, the first that is found counts.</summary>
    private static readonly string[] EndOfTextNames = [TrainedBpe.EndOfText, "<|end_of_text|>", "</s>", "<eos>"];

    /// <exception cref="InvalidDataException">None of the known spellings is in the vocabulary.</exception>
    public static BpeTables Create(
        string source, IReadOnlyDictionary<string, int> vocabulary, IReadOnlyList<string> merges, IEnumerable<string> addedTokens)
    {
        var endOfText = Array.Find(EndOfTextNames, vocabulary.ContainsKey)
            ?? throw new InvalidDataException(
                $"{source}: the vocabulary has no token that ends a document; expected one of {string.Join(' ', EndOfTextNames)}. "
                + "Add one to the vocabulary as its last id.");
        return new BpeTables(source, vocabulary, merges, new HashSet<string>(addedTokens, StringComparer.Ordinal) { endOfText }, endOfText);
    }
}
