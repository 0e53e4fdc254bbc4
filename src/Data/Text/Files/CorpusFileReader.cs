using System.Text;
using System.Xml;
using KvShiftScale.Data.Text.Compression;

namespace KvShiftScale.Data.Text.Files;

/// <summary>Reads the documents of one file, from first to last.</summary>
/// <remarks>Text is UTF-8, or UTF-16 or UTF-32 with a byte order mark.</remarks>
internal sealed class CorpusFileReader : IDisposable
{
    private readonly string _path;
    private readonly TracedFileStream _file;
    private readonly Stream _content;

    public CorpusFileReader(string path)
    {
        _path = path;
        _file = new TracedFileStream(path);
        _content = CorpusFileName.IsGZip(path) ? new CompleteGZipStream(_file) : CorpusFileName.IsZstd(path) ? new ZstdReadStream(_file) : _file;
    }

    /// <summary>Bytes read of the file as it is stored.</summary>
    public long BytesRead => _file.BytesRead;

    /// <summary>When the file was changed last, as it was opened.</summary>
    public DateTime Modified => _file.Modified;

    /// <summary>The documents, less the first <paramref name="skip"/>. Enumerated once.</summary>
    /// <exception cref="InvalidDataException">The file is damaged; the message names it.</exception>
    public IEnumerable<RawDocument> Documents(long skip = 0) => CorpusFileName.KindOf(_path) switch
    {
        CorpusFileKind.JsonLines => Lines(skip),
        CorpusFileKind.Xml => XmlDocuments(skip),
        _ => Whole(skip),
    };

    /// <summary>After the last document: the SHA-256 of the file as it is stored.</summary>
    public string Finish() => Guarded(_file.Finish);

    public void Dispose() => _content.Dispose();

    private IEnumerable<RawDocument> Whole(long skip)
    {
        var content = Guarded(() => ReadAll(Utf8()));
        if (skip == 0)
        {
            yield return new RawDocument(_path, 0, content);
        }
    }

    private IEnumerable<RawDocument> Lines(long skip)
    {
        var lines = new Utf8Lines(Guarded(Utf8));
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

    private static Line? NextLine(Utf8Lines lines, bool copies)
        => !lines.TryRead(out var line) ? null : new Line(line.IndexOfAnyExcept(" \t"u8) < 0, copies ? line.ToArray() : []);

    private IEnumerable<RawDocument> XmlDocuments(long skip)
    {
        // What the XML is can be known only by reading into it, so all of it is there first.
        var content = Guarded(() => ReadAll(Utf8()));
        var index = 0L;
        if (!XmlDocumentationText.IsDocumentation(new StreamReader(new MemoryStream(content))))
        {
            if (skip == 0)
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
    private Stream Utf8()
    {
        var mark = new byte[4];
        var count = _content.ReadAtLeast(mark, mark.Length, throwOnEndOfStream: false);
        var head = mark.AsSpan(0, count);
        // UTF-32's mark begins with UTF-16's.
        foreach (var encoding in (Encoding[])[Encoding.UTF8, Encoding.UTF32, new UTF32Encoding(bigEndian: true, byteOrderMark: true), Encoding.Unicode,
            Encoding.BigEndianUnicode])
        {
            if (head.StartsWith(encoding.Preamble))
            {
                var rest = new PrefixedStream(mark[encoding.Preamble.Length..count], _content);
                return encoding is UTF8Encoding ? rest : Encoding.CreateTranscodingStream(rest, encoding, Encoding.UTF8);
            }
        }

        return new PrefixedStream(mark[..count], _content);
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
