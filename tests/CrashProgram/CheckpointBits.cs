using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace KvShiftScale.CrashProgram;

/// <summary>The bits of a checkpoint's tensors whatever ranks wrote them, read as docs/checkpoints.md says, without the program's own reader.</summary>
internal static class CheckpointBits
{
    /// <summary>SHA-256 over names and elements of parameters and moments, in the order of their names.</summary>
    public static string Sha256(string checkpoint)
    {
        using var manifest = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(checkpoint, "manifest.json")));
        var files = new Dictionary<string, (JsonElement Header, byte[] Bytes, int DataStart)>();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var tensor in manifest.RootElement.GetProperty("tensors").EnumerateArray().OrderBy(tensor => tensor.GetProperty("name").GetString(), StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(tensor.GetProperty("name").GetString()!));
            hash.AppendData(Whole(tensor));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());

        byte[] Whole(JsonElement tensor)
        {
            var width = tensor.GetProperty("dtype").GetString() == "F64" ? 8 : 4;
            var whole = new byte[width * tensor.GetProperty("shape").EnumerateArray().Aggregate(1L, (product, extent) => product * extent.GetInt64())];
            foreach (var slice in tensor.GetProperty("slices").EnumerateArray())
            {
                var (header, bytes, dataStart) = Open(slice.GetProperty("file").GetString()!);
                var source = dataStart + header.GetProperty(slice.GetProperty("tensor").GetString()!).GetProperty("data_offsets")[0].GetInt32();
                var (start, length) = (slice.GetProperty("start").GetInt32(), slice.GetProperty("length").GetInt32());
                var (stride, count) = slice.TryGetProperty("count", out var runs) ? (slice.GetProperty("stride").GetInt32(), runs.GetInt32()) : (0, 1);
                for (var run = 0; run < count; run++)
                {
                    bytes.AsSpan(source + run * length * width, length * width).CopyTo(whole.AsSpan((start + run * stride) * width));
                }
            }
            return whole;
        }

        (JsonElement Header, byte[] Bytes, int DataStart) Open(string name)
        {
            if (files.TryGetValue(name, out var file))
            {
                return file;
            }

            var bytes = File.ReadAllBytes(Path.Combine(checkpoint, name));
            var headerLength = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
            using var header = JsonDocument.Parse(bytes.AsMemory(8, headerLength));
            file = (header.RootElement.Clone(), bytes, 8 + headerLength);
            files.Add(name, file);
            return file;
        }
    }
}
