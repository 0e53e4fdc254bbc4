using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;
using KvShiftScale.Core.Faults;
using KvShiftScale.Core.Progress;
using Microsoft.Win32.SafeHandles;

namespace KvShiftScale.Checkpoints.Safetensors;

/// <summary>
/// Reads a safetensors file. Opening it checks the whole header against the file, so that afterwards every byte range is known to
/// exist; tensors are then read where they are wanted, whole or in pieces.
/// </summary>
public sealed class SafetensorsReader : IDisposable
{
    /// <summary>Header key that holds texts instead of a tensor.</summary>
    internal const string MetadataKey = "__metadata__";

    private const long LongestHeader = 100_000_000;

    private readonly string _path;
    private readonly SafeFileHandle _file;
    private readonly long _dataStart;
    private readonly Dictionary<string, (SafetensorsEntry Entry, long Offset)> _tensors = [];
    private readonly Dictionary<string, string> _metadata = [];

    private SafetensorsReader(string path, SafeFileHandle file, long dataStart)
    {
        _path = path;
        _file = file;
        _dataStart = dataStart;
    }

    /// <summary>The tensors in the order of their bytes.</summary>
    public IReadOnlyList<SafetensorsEntry> Entries { get; private set; } = [];

    /// <summary>Texts that the header carries.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>Opens a file and checks its header.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is not a safetensors file, or is damaged or cut short.</exception>
    public static SafetensorsReader Open(string path)
    {
        var file = File.OpenHandle(path, options: FileOptions.RandomAccess);
        try
        {
            var fileLength = RandomAccess.GetLength(file);
            var headerLength = HeaderLength(path, file, fileLength);
            var header = new byte[headerLength];
            ReadExactly(path, file, header, SafetensorsHead.LengthByteCount);
            var reader = new SafetensorsReader(path, file, SafetensorsHead.LengthByteCount + headerLength);
            reader.ReadHeader(header);
            reader.CheckLayout(fileLength - reader._dataStart);
            return reader;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>SHA-256 of a file's head, in hexadecimal digits; null where the file has none of a sensible length.</summary>
    internal static string? HeadSha256(string path)
    {
        using var file = File.OpenHandle(path);
        try
        {
            var head = new byte[SafetensorsHead.LengthByteCount + HeaderLength(path, file, RandomAccess.GetLength(file))];
            ReadExactly(path, file, head, 0);
            return Convert.ToHexStringLower(SHA256.HashData(head));
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    /// <summary>Whether the file has a tensor of that name.</summary>
    public bool Contains(string name) => _tensors.ContainsKey(name);

    /// <summary>Type and shape of a tensor.</summary>
    /// <exception cref="InvalidDataException">The file has no tensor of that name.</exception>
    public SafetensorsEntry Entry(string name) => Find(name).Entry;

    /// <summary>Reads bytes of a tensor: all of it, or a piece.</summary>
    /// <param name="name">The tensor.</param>
    /// <param name="destination">Filled completely.</param>
    /// <param name="offset">First byte of the piece, counted from the start of the tensor.</param>
    /// <exception cref="InvalidDataException">The file has no tensor of that name, or has become shorter.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The piece goes beyond the tensor.</exception>
    public void Read(string name, Span<byte> destination, long offset = 0)
    {
        var (entry, start) = Find(name);
        if (offset < 0 || offset > entry.ByteCount - destination.Length)
        {
            throw new ArgumentOutOfRangeException(
                nameof(offset),
                $"{_path}: '{name}' has {entry.ByteCount} bytes; {destination.Length} bytes from {offset} on go beyond it.");
        }

        InjectedFaults.Reach("tensor.read");
        ReadExactly(_path, _file, destination, _dataStart + start + offset);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    private static int HeaderLength(string path, SafeFileHandle file, long fileLength)
    {
        if (fileLength < SafetensorsHead.LengthByteCount)
        {
            throw new InvalidDataException($"{path}: {fileLength} bytes long, which is too short for a safetensors file.");
        }

        Span<byte> bytes = stackalloc byte[SafetensorsHead.LengthByteCount];
        ReadExactly(path, file, bytes, 0);
        var length = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        if (length > LongestHeader || length > (ulong)(fileLength - SafetensorsHead.LengthByteCount))
        {
            throw new InvalidDataException(
                $"{path}: declares a header of {length} bytes, but the file has {fileLength} bytes and a header at most {LongestHeader}. " +
                "It is cut short or not a safetensors file.");
        }

        return (int)length;
    }

    private static void ReadExactly(string path, SafeFileHandle file, Span<byte> destination, long position)
    {
        while (!destination.IsEmpty)
        {
            RunProgress.Advance();
            var count = RandomAccess.Read(file, destination, position);
            if (count == 0)
            {
                throw new InvalidDataException($"{path}: ends at byte {position}, {destination.Length} bytes too early.");
            }

            destination = destination[count..];
            position += count;
        }
    }

    private void ReadHeader(byte[] header)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(header, new JsonDocumentOptions { MaxDepth = 8 });
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{_path}: the header is not JSON ({error.Message}). The file is damaged.", error);
        }

        using (document)
        {
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new InvalidDataException($"{_path}: the header is a JSON {document.RootElement.ValueKind}; an object is wanted.");
            }

            try
            {
                foreach (var property in document.RootElement.EnumerateObject())
                {
                    ReadProperty(property);
                }
            }
            catch (InvalidOperationException error)
            {
                // System.Text.Json's answer to a text with broken UTF-8 or half a surrogate pair.
                throw new InvalidDataException($"{_path}: the header holds text that is not Unicode. The file is damaged.", error);
            }
        }
    }

    private void ReadProperty(JsonProperty property)
    {
        if (property.NameEquals(MetadataKey))
        {
            ReadMetadata(property.Value);
        }
        else
        {
            ReadTensor(property.Name, property.Value);
        }
    }

    private void ReadMetadata(JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            throw new InvalidDataException($"{_path}: {MetadataKey} is a JSON {json.ValueKind}; an object of texts is wanted.");
        }

        foreach (var property in json.EnumerateObject())
        {
            if (property.Value.ValueKind != JsonValueKind.String || !_metadata.TryAdd(property.Name, property.Value.GetString()!))
            {
                throw new InvalidDataException($"{_path}: {MetadataKey} '{property.Name}' stands twice or is not text.");
            }
        }
    }

    private void ReadTensor(string name, JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object
            || !json.TryGetProperty("dtype", out var dtype) || dtype.ValueKind != JsonValueKind.String
            || !json.TryGetProperty("shape", out var shapeJson) || Numbers(shapeJson) is not { } shape
            || !json.TryGetProperty("data_offsets", out var offsetsJson) || Numbers(offsetsJson) is not [var begin, var end])
        {
            throw Damaged(name, "lacks a dtype, a shape of whole numbers that are not negative, or two data_offsets");
        }

        if (!SafetensorsEntry.TryParseType(dtype.GetString()!, out var type))
        {
            throw Damaged(name, $"has the element type '{dtype.GetString()}', which is not supported");
        }

        var entry = new SafetensorsEntry(name, type, shape);
        long byteCount;
        try
        {
            byteCount = entry.ByteCount;
        }
        catch (OverflowException error)
        {
            throw new InvalidDataException($"{_path}: tensor '{name}' has the shape {entry}, more bytes than 64 bits count.", error);
        }

        if (begin > end || end - begin != byteCount)
        {
            throw Damaged(name, $"is {entry}, {byteCount} bytes, but its data_offsets are [{begin}, {end}]");
        }

        if (!_tensors.TryAdd(name, (entry, begin)))
        {
            throw Damaged(name, "stands twice");
        }
    }

    /// <summary>Whole numbers that are not negative, or null when the element is anything else.</summary>
    private static long[]? Numbers(JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Array)
        {
            return null;
        }

        var numbers = new long[json.GetArrayLength()];
        for (var index = 0; index < numbers.Length; index++)
        {
            if (json[index].ValueKind != JsonValueKind.Number || !json[index].TryGetInt64(out numbers[index]) || numbers[index] < 0)
            {
                return null;
            }
        }

        return numbers;
    }

    /// <summary>The format wants tensors back to back: no overlap, no gap, and the last one ends where the file ends.</summary>
    private void CheckLayout(long dataByteCount)
    {
        var inOrder = _tensors.Values.OrderBy(tensor => tensor.Offset).ThenBy(tensor => tensor.Entry.ByteCount).ToArray();
        var position = 0L;
        foreach (var (entry, offset) in inOrder)
        {
            if (offset > dataByteCount || entry.ByteCount > dataByteCount - offset)
            {
                throw Damaged(entry.Name, $"ends at byte {offset + entry.ByteCount} of the data, but the file has only {dataByteCount}");
            }

            if (offset != position)
            {
                var what = offset < position ? "overlaps the tensor before it" : "leaves a gap behind the tensor before it";
                throw Damaged(entry.Name, $"begins at byte {offset} of the data and {what}, which ends at {position}");
            }

            position = offset + entry.ByteCount;
        }

        if (position != dataByteCount)
        {
            throw new InvalidDataException($"{_path}: has {dataByteCount - position} bytes behind the last tensor. The file is damaged.");
        }

        Entries = [.. inOrder.Select(tensor => tensor.Entry)];
    }

    private (SafetensorsEntry Entry, long Offset) Find(string name) => _tensors.TryGetValue(name, out var tensor)
        ? tensor
        : throw new InvalidDataException($"{_path}: has no tensor '{name}' among its {_tensors.Count}. It belongs to another model.");

    private InvalidDataException Damaged(string name, string fault) => new($"{_path}: tensor '{name}' {fault}. The file is damaged.");
}
