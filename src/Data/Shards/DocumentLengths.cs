namespace KvShiftScale.Data.Shards;

/// <summary>Lengths of documents in tokens.</summary>
/// <param name="Documents">How many there are.</param>
/// <param name="Empty">How many of them have no token.</param>
/// <param name="Shortest">Smallest length; 0 without documents.</param>
/// <param name="Longest">Largest length.</param>
/// <param name="Mean">Tokens a document; 0 without documents.</param>
public sealed record DocumentLengths(long Documents, long Empty, int Shortest, int Longest, double Mean)
{
    /// <summary>No documents.</summary>
    public static DocumentLengths None { get; } = new(0, 0, 0, 0, 0);

    /// <summary>Rows that a document takes when it is padded: each has at most context targets, and the first token is no target.</summary>
    public static int PaddedRows(int documentLength, int context) => (int)((Math.Max(documentLength - 1L, 0) + context - 1) / context);

    /// <summary>These documents and others.</summary>
    public DocumentLengths And(DocumentLengths others)
    {
        if (Documents == 0 || others.Documents == 0)
        {
            return Documents == 0 ? others : this;
        }

        var documents = Documents + others.Documents;
        var mean = (Mean * Documents / documents) + (others.Mean * others.Documents / documents);
        return new DocumentLengths(documents, Empty + others.Empty, Math.Min(Shortest, others.Shortest), Math.Max(Longest, others.Longest), mean);
    }
}
