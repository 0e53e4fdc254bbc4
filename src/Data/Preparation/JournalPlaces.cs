namespace KvShiftScale.Data.Preparation;

/// <summary>The newest places from which interrupted work could go on: the last one, and the last one in an earlier file of the input.</summary>
/// <param name="first">Where this launch went on; null where it began.</param>
internal sealed class JournalPlaces(PreparationJournal? first)
{
    private PreparationJournal? _last = first;
    private PreparationJournal? _earlier;

    /// <summary>Takes note of a place behind all others.</summary>
    public void Add(PreparationJournal place)
    {
        if (_last is not null && _last.Input < place.Input)
        {
            _earlier = _last;
        }

        _last = place;
    }

    /// <summary>The newest place before a file; null where work has to begin anew, for want of one.</summary>
    public PreparationJournal? Before(int file) => _last?.Input < file ? _last : _earlier?.Input < file ? _earlier : null;
}
