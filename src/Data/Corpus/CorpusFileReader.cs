using System.Text;
using System.Xml;
using KvShiftScale.Data.Decompression;
using KvShiftScale.Data.Finding;
using KvShiftScale.Data.Text;

namespace KvShiftScale.Data.Corpus;

/// <summary>Reads the documents of one file, from first to last.</summary>
/// <remarks>Text is UTF-8, or UTF-16 or UTF-32 with a byte order mark.</remarks>
internal sealed class CorpusFileReader : IDisposable
{
    private readonly string _path;
    private readonly CorpusSelection _selection;
    private readonly TracedFileStream _file;
    private Stream? _content;
    private ParquetTexts? _parquet;

    /// <param name="path">The file.</param>
    /// <param name="selection">What it is read as.</param>
    /// <param name="report">Called by whoever reads, after some MiB each.</param>
    public CorpusFileReader(string path, CorpusSelection selection, Action? report = null)
    {
        _path = path;
        _selection = selection;
        _file = new TracedFileStream(path, report);
    }

    private CorpusFileKind Kind => _selection.KindOf(_path)!.Value;

    /// <summary>Bytes read of the file as it is stored.</summary>
    public long BytesRead => Math.Max(_file.BytesRead, _parquet?.BytesRead ?? 0);

    /// <summary>When the file was changed last, as it was opened.</summary>
    public DateTime Modified => _file.Modified;

    /// <summary>The documents, less the first <paramref name="skip"/>. Enumerated once.</summary>
    /// <exception cref="InvalidDataException">The file is damaged; the message names it.</exception>
    public IEnumerable<RawDocument> Documents(long skip = 0) => Kind switch
    {
        CorpusFileKind.JsonLines => Lines(skip),
        CorpusFileKind.Xml => XmlDocuments(skip),
        CorpusFileKind.Parquet => Rows(skip),
        _ => Whole(skip),
    };

    /// <summary>After the last document: the SHA-256 of the file as it is stored.</summary>
    public string Finish() => Guarded(_file.Finish);

    public void Dispose()
    {
        _content?.Dispose();
        _parquet?.Dispose();
        _file.Dispose();
    }

    private IEnumerable<RawDocument> Whole(long skip)
    {
        var content = ReadAll();
        // Nothing is no document.
        if (skip == 0 && content.Length > 0)
        {
            yield return new RawDocument(_path, 0, content);
        }
    }

    private IEnumerable<RawDocument> Lines(long skip)
    {
        var lines = new Utf8Lines(Utf8());
        var index = 0L;
        for (var number = 1L; ; number++)
        {
            switch (Guarded(() => NextLine(lines, copies: index >= skip)))
            {
                case null:
                    yield break;
                case { IsBlank: true }:
                    break;
                case { Content: var content }:
                    if (index >= skip)
                    {
                        yield return new RawDocument(_path, index, content, number);
                    }

                    index++;
                    break;
            }
        }
    }

    private IEnumerable<RawDocument> Rows(long skip)
    {
        _parquet = ParquetTexts.Open(_path, _selection.TextColumn);
        foreach (var document in _parquet.Documents(skip))
        {
            yield return document;
        }
    }

    private static Line? NextLine(Utf8Lines lines, bool copies)
        => !lines.TryRead(out var line) ? null : new Line(line.IndexOfAnyExcept(" \t"u8) < 0, copies ? line.ToArray() : []);

    private IEnumerable<RawDocument> XmlDocuments(long skip)
    {
        // What the XML is can be known only by reading into it, so all of it is there first.
        var content = ReadAll();
        var index = 0L;
        if (!XmlDocumentationText.IsDocumentation(new StreamReader(new MemoryStream(content))))
        {
            if (skip == 0 && content.Length > 0)
            {
                yield return new RawDocument(_path, index, content);
            }

            yield break;
        }

        using var members = XmlDocumentationText.Read(new StreamReader(new MemoryStream(content))).GetEnumerator();
        for (; Guarded(members.MoveNext); index++)
        {
            if (index >= skip)
            {
                yield return new RawDocument(_path, index, Encoding.UTF8.GetBytes(members.Current));
            }
        }
    }

    /// <summary>The content in UTF-8 without a byte order mark.</summary>
    /// <exception cref="InvalidDataException">The file holds something other than its name says, or is damaged.</exception>
    private Stream Utf8()
    {
        var content = _content = Decompressed();
        var start = Guarded(() => Head(content));
        // UTF-32's mark begins with UTF-16's.
        foreach (var encoding in (Encoding[])[Encoding.UTF8, Encoding.UTF32, new UTF32Encoding(bigEndian: true, byteOrderMark: true), Encoding.Unicode,
            Encoding.BigEndianUnicode])
        {
            if (start.AsSpan().StartsWith(encoding.Preamble))
            {
                var rest = new PrefixedStream(start[encoding.Preamble.Length..], content);
                return encoding is UTF8Encoding ? rest : Encoding.CreateTranscodingStream(rest, encoding, Encoding.UTF8);
            }
        }

        ContentCheck.RequireText(_path, Kind, start);
        return new PrefixedStream(start, content);
    }

    private Stream Decompressed()
    {
        var start = Guarded(() => Head(_file));
        ContentCheck.RequireForm(_path, start);
        var stored = new PrefixedStream(start, _file);
        return CorpusFileName.IsGZip(_path) ? new CompleteGZipStream(stored) : CorpusFileName.IsZstd(_path) ? new ZstdReadStream(stored) : stored;
    }

    private static byte[] Head(Stream stream)
    {
        var start = new byte[ContentCheck.HeadBytes];
        return start[..stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
    }

    private byte[] ReadAll()
    {
        var text = Utf8();
        return Guarded(() => ReadAll(text));
    }

    private static byte[] ReadAll(Stream stream)
    {
        // Grows with what is there; MemoryStream ends at the length of an array.
        using var content = new MemoryStream();
        try
        {
            stream.CopyTo(content, 1 << 17);
        }
        catch (IOException error) when (content.Length > Array.MaxLength - (1 << 20))
        {
            throw new InvalidDataException($"It has more than {Array.MaxLength} bytes, too many for one document; divide it.", error);
        }

        return content.ToArray();
    }

    /// <summary>Names the file where it turns out damaged.</summary>
    private T Guarded<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error) when (error is InvalidDataException or XmlException)
        {
            throw new InvalidDataException($"{_path}: damaged. {error.Message}", error);
        }
    }

    private sealed record Line(bool IsBlank, byte[] Content);
}
