using KvShiftScale.Data.Corpus;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Text;

namespace KvShiftScale.Data.Preparation;

/// <summary>Reads the documents of a list of files in order, from a place on, and keeps account of the files.</summary>
internal sealed class CorpusReader
{
    private readonly IReadOnlyList<string> _paths;
    private readonly CorpusSelection _selection;
    private readonly Action<CorpusReader> _report;
    private readonly Dictionary<string, int> _numbers;
    private readonly List<CorpusInput> _inputs;
    private readonly int _firstInput;
    private readonly long _skip;
    private readonly List<(int Number, string Fault)> _faults = [];
    private long _bytesOfFinished;
    private CorpusFileReader? _current;

    /// <param name="files">All files, each once.</param>
    /// <param name="known">What is known of files that were opened before; as many as come before the first document, or one more.</param>
    /// <param name="firstInput">Number of the file with the first document.</param>
    /// <param name="skip">Documents of that file to leave out.</param>
    /// <param name="report">Called while files are read, also over what is left out, by whoever takes the documents.</param>
    public CorpusReader(CorpusFiles files, IReadOnlyList<CorpusInput> known, int firstInput, long skip, Action<CorpusReader> report)
    {
        _paths = files.Paths;
        _selection = files.Selection;
        _report = report;
        _numbers = _paths.Select((path, number) => (path, number)).ToDictionary(entry => entry.path, entry => entry.number, StringComparer.Ordinal);
        _inputs = [.. known.Take(firstInput)];
        _bytesOfFinished = _inputs.Sum(input => input.Bytes);
        _firstInput = firstInput;
        _skip = skip;
        TotalBytes = _paths.Sum(path => new FileInfo(path).Length);
    }

    /// <summary>The files that have been opened, in order; ones that are read to their end with their hash.</summary>
    public IReadOnlyList<CorpusInput> Inputs => _inputs;

    /// <summary>Bytes of the files as they are stored.</summary>
    public long TotalBytes { get; }

    /// <summary>Bytes read of them.</summary>
    public long BytesRead => _bytesOfFinished + (_current?.BytesRead ?? 0);

    /// <summary>Number of the file that a document comes from.</summary>
    public int NumberOf(RawDocument document) => _numbers[document.Source];

    /// <summary>
    /// Files that could not be read to their end, in order: number and what is wrong. What was read of them has been handed out; the files behind them are read.
    /// </summary>
    public IReadOnlyList<(int Number, string Fault)> Faults => _faults;

    /// <summary>The documents. Enumerated once.</summary>
    public IEnumerable<RawDocument> Documents()
    {
        for (var number = _firstInput; number < _paths.Count; number++)
        {
            var skip = number == _firstInput ? _skip : 0;
            using var reader = new CorpusFileReader(_paths[number], _selection, () => _report(this));
            _current = reader;
            _inputs.Add(new CorpusInput(_paths[number], new FileInfo(_paths[number]).Length, reader.Modified, null, null));
            var count = skip;
            using var documents = reader.Documents(skip).GetEnumerator();
            while (Next(documents, number))
            {
                count++;
                yield return documents.Current;
            }

            if (_faults.Count == 0 || _faults[^1].Number < number)
            {
                var hash = reader.Finish();
                _inputs[number] = new CorpusInput(_paths[number], reader.BytesRead, reader.Modified, count, hash);
            }

            _bytesOfFinished += _inputs[number].Bytes;
            _current = null;
        }
    }

    // A file that turns out damaged ends there, and the others are read.
    private bool Next(IEnumerator<RawDocument> documents, int number)
    {
        try
        {
            return documents.MoveNext();
        }
        catch (InvalidDataException fault)
        {
            _faults.Add((number, fault.Message));
            return false;
        }
    }
}
