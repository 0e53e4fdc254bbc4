using System.Buffers.Binary;
using System.Text;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Checkpoints.Safetensors;
using KvShiftScale.Testing;

namespace KvShiftScale.Checkpoints.Tests.Safetensors;

/// <summary>Files that lie: every one is read rightly or refused by path, and none makes the reader allocate what the file does not have.</summary>
public sealed class SafetensorsFuzzTests : IDisposable
{
    private const int Rounds = 4000;

    // A parsed header takes some dozens of bytes for each of its own; the rest is constant.
    private const long BytesPerFileByte = 64;
    private const long BytesOnTop = 256 << 10;

    // Words that headers are made of, and numbers that overflow something.
    private static readonly string[] Splices =
    [
        "\"dtype\"", "\"shape\":[", "\"data_offsets\":[0,0]", "{", "}", "[", "]", ",", ":", "\"", "\\ud800", "F32", "BF16", "9223372036854775807", "18446744073709551615",
        "-1", "4294967296", "1e999", "null", "\"__metadata__\":", "\"a\":", "2147483647", "[[[[[[[[[[[[",
    ];

    // In memory where the machine offers that: four thousand files should not wait for a disk.
    private readonly string _directory = Directory.CreateDirectory(
        Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"kvshift-tests-{Guid.NewGuid():N}")).FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void MutatedWeightsAreRefusedWithinTheirSize()
    {
        var path = Path.Combine(_directory, "model.safetensors");
        var honest = File.ReadAllBytes(Path.Combine(ReferenceFiles.PathOf("baichuan"), "model.safetensors"))[..];
        // Only the header is worth mutating: any bits are weights.
        var headerEnd = 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(honest);
        var random = new Random(20261121);
        var (refused, read, most) = (0, 0, 0L);
        for (var round = 0; round < Rounds; round++)
        {
            var file = Mutate(honest, headerEnd, random);
            File.WriteAllBytes(path, file);
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                using var reader = SafetensorsReader.Open(path);
                foreach (var entry in reader.Entries)
                {
                    // A size that was believed is one that the file has.
                    Assert.InRange(entry.ByteCount, 0, file.Length);
                    if (entry.ByteCount > 0)
                    {
                        reader.Read(entry.Name, new byte[1], entry.ByteCount - 1);
                    }
                }
                read++;
            }
            catch (InvalidDataException refusal)
            {
                Assert.StartsWith(path, refusal.Message);
                refused++;
            }
            var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            most = Math.Max(most, allocated - (BytesPerFileByte * headerEnd));
            Assert.True(allocated <= (BytesPerFileByte * Math.Min(file.Length, 2 * headerEnd)) + BytesOnTop, $"round {round}: {allocated} bytes for a file of {file.Length}");
        }

        Assert.Equal(Rounds, refused + read);
        Assert.True(refused > Rounds / 2, $"only {refused} refused");
        Assert.True(read > 0, "no mutation was harmless, so reading was not tried");
    }

    [Fact]
    public void MutatedIndexAndConfigurationAreRefusedWithinTheirSize()
    {
        foreach (var file in Directory.GetFiles(ReferenceFiles.PathOf("llama")))
        {
            File.Copy(file, Path.Combine(_directory, Path.GetFileName(file)));
        }

        var random = new Random(7);
        var total = Directory.GetFiles(_directory).Sum(file => new FileInfo(file).Length);
        foreach (var name in (string[])[WeightFiles.IndexFileName, ModelDescription.FileName])
        {
            var path = Path.Combine(_directory, name);
            var honest = File.ReadAllBytes(path);
            var refused = 0;
            for (var round = 0; round < 500; round++)
            {
                File.WriteAllBytes(path, Mutate(honest, honest.Length, random));
                var before = GC.GetAllocatedBytesForCurrentThread();
                try
                {
                    using var source = ModelSource.Open(_directory);
                }
                catch (Exception refusal) when (refusal is InvalidDataException or FileNotFoundException)
                {
                    Assert.StartsWith(_directory, refusal.Message);
                    refused++;
                }
                var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
                Assert.True(allocated <= (BytesPerFileByte * total) + BytesOnTop, $"{name}, round {round}: {allocated} bytes");
            }
            Assert.True(refused > 250, $"{name}: only {refused} refused");
            File.WriteAllBytes(path, honest);
        }
    }

    // Flipped bytes, words put in or cut out, another header length, another end.
    private static byte[] Mutate(byte[] honest, int end, Random random)
    {
        var file = honest.ToList();
        for (var times = random.Next(1, 4); times > 0; times--)
        {
            var at = random.Next(Math.Min(end, file.Count));
            switch (random.Next(6))
            {
                case 0:
                    file[at] = (byte)random.Next(256);
                    break;
                case 1:
                    file[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    file.InsertRange(at, Encoding.ASCII.GetBytes(Splices[random.Next(Splices.Length)]));
                    break;
                case 3:
                    file.RemoveRange(at, Math.Min(random.Next(1, 40), file.Count - at));
                    break;
                case 4:
                    // A digit for a digit: sizes that look well and lie.
                    if (file.FindIndex(at, value => value is >= (byte)'0' and <= (byte)'9') is var digit and >= 0 && digit < end)
                    {
                        file[digit] = (byte)('0' + random.Next(10));
                    }

                    break;
                default:
                    if (random.Next(2) == 0)
                    {
                        file.RemoveRange(at, file.Count - at);
                    }
                    else
                    {
                        file.InsertRange(file.Count, new byte[random.Next(1, 64)]);
                    }

                    break;
            }
            if (file.Count == 0)
            {
                file.Add(0);
            }
        }
        return [.. file];
    }
}
