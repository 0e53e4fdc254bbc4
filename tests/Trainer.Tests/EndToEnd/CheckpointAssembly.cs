using System.Buffers.Binary;
using System.Text.Json;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>Puts the tensors of a checkpoint together as docs/checkpoints.md says, without the program's own reader.</summary>
internal static class CheckpointAssembly
{
    public static SortedDictionary<string, byte[]> Read(string checkpoint)
    {
        using var manifest = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(checkpoint, "manifest.json")));
        var files = new Dictionary<string, (JsonDocument Header, byte[] Bytes, int DataStart)>();
        var tensors = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var tensor in manifest.RootElement.GetProperty("tensors").EnumerateArray())
        {
            var elements = tensor.GetProperty("shape").EnumerateArray().Aggregate(1L, (product, extent) => product * extent.GetInt64());
            var width = tensor.GetProperty("dtype").GetString() == "F64" ? 8 : 4;
            var (whole, seen) = (new byte[elements * width], new bool[elements]);
            foreach (var slice in tensor.GetProperty("slices").EnumerateArray())
            {
                var (header, bytes, dataStart) = Open(slice.GetProperty("file").GetString()!);
                var offsets = header.RootElement.GetProperty(slice.GetProperty("tensor").GetString()!).GetProperty("data_offsets");
                var source = bytes.AsSpan(dataStart + offsets[0].GetInt32(), offsets[1].GetInt32() - offsets[0].GetInt32());
                var (start, length) = (slice.GetProperty("start").GetInt64(), slice.GetProperty("length").GetInt64());
                var (stride, count) = slice.TryGetProperty("count", out var runs) ? (slice.GetProperty("stride").GetInt64(), runs.GetInt64()) : (0, 1);
                for (var run = 0L; run < count; run++)
                {
                    var place = start + run * stride;
                    source.Slice((int)(run * length) * width, (int)length * width).CopyTo(whole.AsSpan((int)place * width));
                    for (var i = place; i < place + length; i++)
                    {
                        Assert.False(seen[i], $"element {i} of {tensor.GetProperty("name")} is stored twice");
                        seen[i] = true;
                    }
                }
                Assert.Equal(length * count * width, source.Length);
            }
            Assert.DoesNotContain(false, seen);
            tensors.Add(tensor.GetProperty("name").GetString()!, whole);
        }
        foreach (var (header, _, _) in files.Values)
        {
            header.Dispose();
        }

        return tensors;

        (JsonDocument Header, byte[] Bytes, int DataStart) Open(string name)
        {
            if (files.TryGetValue(name, out var file))
            {
                return file;
            }

            var bytes = File.ReadAllBytes(Path.Combine(checkpoint, name));
            var headerLength = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
            file = (JsonDocument.Parse(bytes.AsMemory(8, headerLength)), bytes, 8 + headerLength);
            files.Add(name, file);
            return file;
        }
    }
}
