namespace KvShiftScale.Data.Shards;

/// <summary>The documents of one row group: their ids one after the other, and where each begins. The buffers are reused.</summary>
public sealed class DocumentGroup
{
    private int[] _ids = [];
    private int[] _offsets = [0];

    /// <summary>Documents in the row group, empty ones included.</summary>
    public int DocumentCount { get; private set; }

    /// <summary>Tokens of all documents.</summary>
    public int TokenCount => _offsets[DocumentCount];

    /// <summary>Ids that were padding and are left out.</summary>
    public int PaddingCount { get; private set; }

    /// <summary>All ids of the row group, valid until it is read into again.</summary>
    public ReadOnlySpan<int> Ids => _ids.AsSpan(0, TokenCount);

    /// <summary>Start of each document in <see cref="Ids"/>, and the end of the last one.</summary>
    public ReadOnlySpan<int> Offsets => _offsets.AsSpan(0, DocumentCount + 1);

    /// <summary>Ids of one document.</summary>
    public ReadOnlySpan<int> Document(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)DocumentCount);
        return _ids.AsSpan(_offsets[index].._offsets[index + 1]);
    }

    /// <summary>Tokens of one document.</summary>
    public int Length(int index) => _offsets[index + 1] - _offsets[index];

    /// <summary>Empties the group and makes room for as much as is certain to come.</summary>
    internal void Begin(int idCount, int documentCount)
    {
        DocumentCount = 0;
        PaddingCount = 0;
        if (_ids.Length < idCount)
        {
            _ids = GC.AllocateUninitializedArray<int>(RowGroupBuffers.WithMargin(idCount));
        }

        if (_offsets.Length < documentCount + 1)
        {
            _offsets = GC.AllocateUninitializedArray<int>(RowGroupBuffers.WithMargin(documentCount + 1));
        }

        _offsets[0] = 0;
    }

    /// <summary>Room for <paramref name="count"/> ids behind the first <paramref name="start"/>, which stay.</summary>
    internal Span<int> Room(int start, int count)
    {
        if (_ids.Length < start + count)
        {
            Array.Resize(ref _ids, Grown(_ids.Length, start + count));
        }

        return _ids.AsSpan(start, count);
    }

    /// <summary>Ends a document, the next of which begins at <paramref name="end"/>.</summary>
    internal void EndDocument(int document, int end)
    {
        if (_offsets.Length < document + 2)
        {
            Array.Resize(ref _offsets, Grown(_offsets.Length, document + 2));
        }

        _offsets[document + 1] = end;
    }

    /// <summary>Where a document begins, all before which have ended.</summary>
    internal int StartOf(int document) => _offsets[document];

    /// <summary>Leaves out padding before and behind each document.</summary>
    /// <param name="mask">1 for each id that stays, 0 for padding; as many documents as here.</param>
    /// <returns>What is wrong where the mask does not fit the ids, or is no such mask; null where it is.</returns>
    internal string? LeaveOutPadding(DocumentGroup mask)
    {
        var (end, length) = (0, 0);
        for (var document = 0; document < DocumentCount; document++)
        {
            var own = mask.Document(document);
            var ids = _ids.AsSpan(end, _offsets[document + 1] - end);
            end = _offsets[document + 1];
            if (own.Length != ids.Length)
            {
                return $"document {document} has {ids.Length} ids and {own.Length} numbers in its attention_mask; write one for each id";
            }

            var first = Math.Max(0, own.IndexOf(1));
            var count = own.LastIndexOf(1) + 1 - first;
            if (own.ContainsAnyExceptInRange(0, 1) || own.Slice(first, count).Contains(0))
            {
                return $"document {document} has an attention_mask that is not 1 for consecutive ids and 0 for padding around them; write the ids without padding";
            }

            ids.Slice(first, count).CopyTo(_ids.AsSpan(length));
            length += count;
            _offsets[document + 1] = length;
        }

        PaddingCount = end - length;
        return null;
    }

    internal void Finish(int documentCount) => DocumentCount = documentCount;

    private static int Grown(int length, int needed) => (int)Math.Min(Array.MaxLength, Math.Max(2L * length, needed));
}
