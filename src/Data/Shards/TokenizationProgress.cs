using KvShiftScale.Data.Text;

namespace KvShiftScale.Data.Shards;

/// <summary>What has been tokenized and handed to the writer.</summary>
/// <param name="Documents">Documents, empty ones included.</param>
/// <param name="TextBytes">Bytes of their text in UTF-8.</param>
/// <param name="Tokens">Ids, those that end and begin documents included.</param>
internal readonly record struct TokenizationProgress(long Documents, long TextBytes, long Tokens)
{
    private const int MostNamed = 20;

    /// <summary>Places where the files are not UTF-8, each of which became U+FFFD.</summary>
    public long ReplacedSequences { get; init; }

    /// <summary>Documents with such places.</summary>
    public long DocumentsReplacedIn { get; init; }

    /// <summary>Lines of JSON and rows of Parquet that no document was made of.</summary>
    public long LeftOutLines { get; init; }

    /// <summary>The first of them.</summary>
    public IReadOnlyList<LeftOutLine>? FirstLeftOut { get; init; }

    /// <summary>With one more document.</summary>
    public TokenizationProgress With(long textBytes, long tokens, long replacedSequences) => this with
    {
        Documents = Documents + 1,
        TextBytes = TextBytes + textBytes,
        Tokens = Tokens + tokens,
        ReplacedSequences = ReplacedSequences + replacedSequences,
        DocumentsReplacedIn = DocumentsReplacedIn + (replacedSequences > 0 ? 1 : 0),
    };

    /// <summary>The sums over both.</summary>
    public TokenizationProgress And(TokenizationProgress other) => this with
    {
        Documents = Documents + other.Documents,
        TextBytes = TextBytes + other.TextBytes,
        Tokens = Tokens + other.Tokens,
        ReplacedSequences = ReplacedSequences + other.ReplacedSequences,
        DocumentsReplacedIn = DocumentsReplacedIn + other.DocumentsReplacedIn,
        LeftOutLines = LeftOutLines + other.LeftOutLines,
        FirstLeftOut = FirstLeftOut ?? other.FirstLeftOut,
    };

    /// <summary>With one more line that is no document.</summary>
    public TokenizationProgress Without(LeftOutLine line) => this with
    {
        LeftOutLines = LeftOutLines + 1,
        FirstLeftOut = FirstLeftOut?.Count >= MostNamed ? FirstLeftOut : [.. FirstLeftOut ?? [], line],
    };
}
