namespace Microsoft.ML.Tokenizers;

/// <summary>What a <see cref="BpeTokenizer"/> is made of.</summary>
public sealed class BpeOptions
{
    /// <param name="vocabulary">Token string to id; for byte-level BPE the strings are in the byte alphabet.</param>
    public BpeOptions(IEnumerable<KeyValuePair<string, int>> vocabulary)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        Vocabulary = vocabulary;
    }

    /// <param name="vocabFile">A <c>vocab.json</c>: one object of token string to id.</param>
    /// <param name="mergesFile">A <c>merges.txt</c>: one merge a line, its two parts apart by one blank.</param>
    public BpeOptions(string vocabFile, string? mergesFile = null)
    {
        ArgumentNullException.ThrowIfNull(vocabFile);
        Vocabulary = BpeFiles.ReadVocabulary(vocabFile);
        if (mergesFile is not null)
        {
            Merges = BpeFiles.ReadMerges(mergesFile);
        }
    }

    public IEnumerable<KeyValuePair<string, int>> Vocabulary { get; }

    /// <summary>Merges in order of rank, each "left right".</summary>
    public IEnumerable<string>? Merges { get; set; }

    /// <summary>Tokens that stand for themselves. The pre-tokenizer must be built with them to find them in a text.</summary>
    public IReadOnlyDictionary<string, int>? SpecialTokens { get; set; }

    public Normalizer? Normalizer { get; set; }

    /// <summary>Null: the whole text is one piece.</summary>
    public PreTokenizer? PreTokenizer { get; set; }

    /// <summary>Merge the bytes of the UTF-8 text. Must be true: this drop-in has no character-level BPE.</summary>
    public bool ByteLevel { get; set; }
}
