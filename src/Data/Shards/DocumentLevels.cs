namespace KvShiftScale.Data.Shards;

/// <summary>
/// Turns the levels of slots, some at a time, into the start of each document among the ids, which are stored without gaps. Source: the
/// Dremel encoding as the Parquet format describes it.
/// </summary>
internal ref struct DocumentLevels
{
    private readonly DocumentGroup _destination;
    private readonly int _rows;

    // Definition level of a slot that holds an id.
    private readonly short _idLevel;

    // Definition level of a slot that belongs to an element: a list that is null or empty has its only slot below it.
    private readonly short _elementLevel;

    private int _started;
    private int _documentStart;
    private bool _isEmpty;

    /// <param name="destination">Receives the starts.</param>
    /// <param name="rows">Documents that the footer states.</param>
    /// <param name="idLevel">Definition level of a slot that holds an id.</param>
    /// <param name="elementLevel">Definition level of a slot that belongs to an element, with or without an id.</param>
    public DocumentLevels(DocumentGroup destination, int rows, short idLevel, short elementLevel)
    {
        _destination = destination;
        _rows = rows;
        _idLevel = idLevel;
        _elementLevel = elementLevel;
    }

    /// <summary>Ids so far.</summary>
    public int IdCount { get; private set; }

    /// <summary>Takes the levels of further slots.</summary>
    /// <returns>How many of them hold an id.</returns>
    /// <exception cref="InvalidDataException">An id is null, or there are more documents than the footer states.</exception>
    public int Add(ReadOnlySpan<short> definition, ReadOnlySpan<short> repetition)
    {
        var before = IdCount;
        if (_started == 0 && repetition[0] != 0)
        {
            throw new InvalidDataException("its first value continues a document that no row has begun");
        }

        // Slots without an id are rare; where there is none, only the starts of documents are looked for.
        var allHoldIds = definition.IndexOfAnyExcept(_idLevel) < 0;
        for (var slot = 0; slot < repetition.Length;)
        {
            if (repetition[slot] == 0)
            {
                Begin();
            }

            var next = repetition[(slot + 1)..].IndexOf((short)0);
            var end = next < 0 ? repetition.Length : slot + 1 + next;
            var empty = allHoldIds ? -1 : definition[slot..end].IndexOfAnyExcept(_idLevel);
            if (empty >= 0 || _isEmpty)
            {
                TakeEmpty(definition[slot], end - slot, repetition[slot] == 0, Math.Max(empty, 0));
            }
            else
            {
                IdCount += end - slot;
            }

            slot = end;
        }

        return IdCount - before;
    }

    /// <summary>What messages say about where an id is.</summary>
    /// <param name="id">Its number among those taken so far.</param>
    public readonly string PlaceOf(int id)
    {
        var document = _started - 1;
        while (_destination.StartOf(document) > id)
        {
            document--;
        }

        return $"document {document}: token {id - _destination.StartOf(document)}";
    }

    /// <summary>Ends the last document.</summary>
    /// <exception cref="InvalidDataException">There are fewer than the footer states.</exception>
    public void Finish()
    {
        if (_started != _rows)
        {
            throw new InvalidDataException($"its pages hold {_started} documents, the footer states {_rows}");
        }

        if (_started > 0)
        {
            _destination.EndDocument(_started - 1, IdCount);
        }
    }

    private void Begin()
    {
        if (_started == _rows)
        {
            throw new InvalidDataException($"its pages hold more documents than the {_rows} of the footer");
        }

        if (_started > 0)
        {
            _destination.EndDocument(_started - 1, IdCount);
        }

        _started++;
        _documentStart = IdCount;
        _isEmpty = false;
    }

    // The only slot of an empty document, or else an id that is null.
    private void TakeEmpty(short level, int slots, bool begins, int firstWithoutId)
    {
        if (!begins || slots > 1 || level >= _elementLevel)
        {
            var token = _isEmpty ? 0 : IdCount - _documentStart + firstWithoutId;
            throw new InvalidDataException($"document {_started - 1}: token {token} is null");
        }

        _isEmpty = true;
    }
}
