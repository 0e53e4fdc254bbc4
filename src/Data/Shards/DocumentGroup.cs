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

    /// <summary>Makes room and hands out the buffers to fill; the group is empty until <see cref="Finish"/>.</summary>
    internal (int[] Ids, int[] Offsets) Begin(int slotCount, int documentCount)
    {
        DocumentCount = 0;
        if (_ids.Length < slotCount)
        {
            _ids = GC.AllocateUninitializedArray<int>(RowGroupBuffers.WithMargin(slotCount));
        }

        if (_offsets.Length < documentCount + 1)
        {
            _offsets = GC.AllocateUninitializedArray<int>(RowGroupBuffers.WithMargin(documentCount + 1));
        }

        _offsets[0] = 0;
        return (_ids, _offsets);
    }

    internal void Finish(int documentCount) => DocumentCount = documentCount;
}
