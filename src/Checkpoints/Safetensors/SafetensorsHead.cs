using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;

namespace KvShiftScale.Checkpoints.Safetensors;

/// <summary>
/// What a safetensors file has before its tensors: eight bytes of header length and a JSON header padded to eight bytes. Wider element
/// types come first, so that every tensor starts at a multiple of its element size.
/// </summary>
internal sealed class SafetensorsHead
{
    /// <summary>Bytes of the header's length, with which a file begins.</summary>
    public const int LengthByteCount = 8;

    private readonly string _path;

    /// <param name="path">The file, for messages.</param>
    /// <param name="entries">Every tensor of the file.</param>
    /// <param name="metadata">Texts that the header carries.</param>
    /// <exception cref="ArgumentException">A name stands twice, is the reserved one, or a shape is negative.</exception>
    public SafetensorsHead(string path, IEnumerable<SafetensorsEntry> entries, IReadOnlyDictionary<string, string>? metadata = null)
    {
        _path = path;
        Entries = [.. entries.OrderByDescending(entry => entry.ElementByteCount)];
        CheckEntries();
        var header = Header(metadata);
        var bytes = new byte[LengthByteCount + header.Length];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, header.Length);
        header.CopyTo(bytes, LengthByteCount);
        Bytes = bytes;
        FileByteCount = checked(bytes.Length + Entries.Sum(entry => entry.ByteCount));
    }

    /// <summary>The tensors in the order of their bytes.</summary>
    public IReadOnlyList<SafetensorsEntry> Entries { get; }

    /// <summary>The header's length and the header.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>Bytes of the head and of all tensors.</summary>
    public long FileByteCount { get; }

    private void CheckEntries()
    {
        var names = new HashSet<string>();
        foreach (var entry in Entries)
        {
            if (entry.Name == SafetensorsReader.MetadataKey || !names.Add(entry.Name))
            {
                throw new ArgumentException($"{_path}: the tensor name '{entry.Name}' stands twice or is reserved. Rename the tensor.");
            }

            if (entry.Shape.Any(extent => extent < 0))
            {
                throw new ArgumentException($"{_path}: '{entry.Name}' is {entry}; extents must not be negative.");
            }
        }
    }

    private byte[] Header(IReadOnlyDictionary<string, string>? metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (metadata is not null)
            {
                json.WriteStartObject(SafetensorsReader.MetadataKey);
                foreach (var (key, text) in metadata)
                {
                    json.WriteString(key, text);
                }

                json.WriteEndObject();
            }

            var offset = 0L;
            foreach (var entry in Entries)
            {
                json.WriteStartObject(entry.Name);
                json.WriteString("dtype", entry.TypeName);
                json.WriteStartArray("shape");
                foreach (var extent in entry.Shape)
                {
                    json.WriteNumberValue(extent);
                }

                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                offset = checked(offset + entry.ByteCount);
                json.WriteNumberValue(offset);
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        var padded = new byte[(buffer.WrittenCount + 7) / 8 * 8];
        padded.AsSpan().Fill((byte)' ');
        buffer.WrittenSpan.CopyTo(padded);
        return padded;
    }
}
