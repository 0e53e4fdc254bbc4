using System.Runtime.InteropServices;
using KvShiftScale.Checkpoints.Folders;
using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Checkpoints.Safetensors;
using KvShiftScale.Checkpoints.Slices;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Testing;

namespace KvShiftScale.Checkpoints.Tests.Slices;

public sealed class CheckpointTensorsTests : IDisposable
{
    private const int Rows = 60;
    private const int Columns = 50;

    private readonly TemporaryFolder _temporary = new();
    private readonly float[] _values = [.. Enumerable.Range(0, Rows * Columns).Select(i => i + 0.5f)];

    public void Dispose() => _temporary.Dispose();

    // Parts of rows, of columns, of both cut anywhere, and of single elements: read by every other kind.
    [Fact]
    public void AnyPartIsReadFromAnySlices()
    {
        var random = new Random(5);
        for (var round = 0; round < 40; round++)
        {
            var stored = Divided(random);
            using var tensors = CheckpointTensors.Open(Write(round, stored).Directory);
            foreach (var wanted in Divided(random))
            {
                var found = new float[wanted.ElementCount];
                tensors.Read("w", wanted, MemoryMarshal.AsBytes(found.AsSpan()));
                Assert.Equal(Packed(wanted), found);
            }
        }
    }

    [Fact]
    public void LargeSlicesAreReadInPiecesOfRunsAndWhole()
    {
        // 12 MB a half, more than is gathered at once; the columns wanted are 300 KB apart, or 4 KB.
        foreach (var (rows, columns) in ((int, int)[])[(40, 150_000), (3000, 2000)])
        {
            var values = Enumerable.Range(0, rows * columns).Select(i => (float)i).ToArray();
            ElementRuns[] stored = [ElementRuns.Consecutive(0, values.Length / 2), ElementRuns.Consecutive(values.Length / 2, values.Length / 2)];
            using var tensors = CheckpointTensors.Open(Write(rows, stored, values, [rows, columns]).Directory);
            foreach (var wanted in (ElementRuns[])[new(columns / 2, columns / 2, columns, rows), ElementRuns.Consecutive(7, values.Length - 9)])
            {
                var found = new float[wanted.ElementCount];
                tensors.Read("w", wanted, MemoryMarshal.AsBytes(found.AsSpan()));
                for (var i = 0; i < found.Length; i++)
                {
                    if (found[i] == wanted.Start + i / wanted.Length * wanted.Stride + i % wanted.Length)
                    {
                        continue;
                    }

                    Assert.Fail($"element {i} is {found[i]}");
                }
            }
        }
    }

    [Theory]
    [InlineData("\"length\":1500", "\"length\":1501", "slices of 3001")]
    [InlineData("\"length\":1500", "\"length\":1499", "slices of 2999")]
    [InlineData("\"start\":1500", "\"start\":1600", "goes beyond it")]
    [InlineData("\"start\":1500", "\"start\":-1", "goes beyond it")]
    [InlineData("\"start\":1500", "\"start\":9223372036854775807", "goes beyond it")]
    [InlineData("\"file\":\"1", "\"file\":\"7", "not in the list of files")]
    [InlineData("\"dtype\": \"F32\"", "\"dtype\": \"I32\"", "element type 'I32'")]
    [InlineData("\"hash\":\"", "\"hash\":\"g", "number out of range")]
    [InlineData("\"start\":1500,", "\"start\":0,", "hold 0 of 1500 elements")]
    [InlineData("\"tensor\":\"s1\"", "\"tensor\":\"s9\"", "no tensor 's9'")]
    public void ManifestThatCannotBeTrueIsRefused(string text, string other, string reason)
    {
        var path = Path.Combine(Write(0, [ElementRuns.Consecutive(0, 1500), ElementRuns.Consecutive(1500, 1500)]).Directory, CheckpointManifest.FileName);
        var manifest = File.ReadAllText(path);
        var place = manifest.IndexOf(text, StringComparison.Ordinal);
        Assert.True(place >= 0);
        File.WriteAllText(path, manifest[..place] + other + manifest[(place + text.Length)..]);

        var error = Assert.Throws<InvalidDataException>(() =>
        {
            using var tensors = CheckpointTensors.Open(Path.GetDirectoryName(path)!);
            // A half is found twice and another not at all.
            tensors.Read("w", ElementRuns.Consecutive(1500, 1500), new byte[6000]);
            tensors.Read("w", ElementRuns.Consecutive(0, 3000), new byte[12000]);
        });

        Assert.Contains(reason, error.Message);
    }

    private Checkpoint Write(int step, IReadOnlyList<ElementRuns> slices) => Write(step, slices, _values, [Rows, Columns]);

    private Checkpoint Write(int step, IReadOnlyList<ElementRuns> slices, float[] values, long[] shape)
    {
        using var draft = new CheckpointFolder(_temporary.PathOf("checkpoints")).Begin(step);
        var stored = new List<TensorSlice>();
        for (var file = 0; file < 2; file++)
        {
            var mine = slices.Select((runs, i) => (Runs: runs, Name: $"s{i}", File: i % 2)).Where(slice => slice.File == file).ToList();
            if (mine.Count == 0)
            {
                continue;
            }

            using var writer = new SafetensorsWriter(draft.PathOf($"{file}.safetensors"),
                mine.Select(slice => new SafetensorsEntry(slice.Name, SafetensorsType.F32, [slice.Runs.ElementCount])));
            foreach (var (runs, name, _) in mine)
            {
                var packed = values.Length == _values.Length ? Packed(runs) : values[(int)runs.Start..(int)runs.End];
                writer.Write(name, MemoryMarshal.AsBytes(packed.AsSpan()));
                stored.Add(new TensorSlice($"{file}.safetensors", name, runs, 0));
            }
            writer.Complete();
        }
        return draft.Commit(new CheckpointContent { Tensors = [new CheckpointTensor("w", SafetensorsType.F32, shape, stored)] });
    }

    private float[] Packed(ElementRuns runs)
        => [.. Enumerable.Range(0, (int)runs.Count).SelectMany(run => _values.Skip((int)(runs.Start + run * runs.Stride)).Take((int)runs.Length))];

    // All elements of the tensor, each once: some ranks' parts along an axis, some of these cut again.
    private static List<ElementRuns> Divided(Random random)
    {
        var parts = random.Next(1, 5);
        var byRow = random.Next(2) == 0;
        var ends = Enumerable.Range(1, parts - 1).Select(_ => random.Next(1, byRow ? Rows : Columns)).Append(0).Append(byRow ? Rows : Columns).Distinct().Order().ToList();
        var result = new List<ElementRuns>();
        for (var i = 0; i + 1 < ends.Count; i++)
        {
            var (begin, count) = (ends[i], ends[i + 1] - ends[i]);
            var part = byRow ? ElementRuns.Consecutive(begin * Columns, count * Columns) : new ElementRuns(begin, count, Columns, Rows);
            var cut = random.Next((int)part.ElementCount);
            result.AddRange([.. part.Part(0, cut), .. part.Part(cut, part.ElementCount - cut)]);
        }
        return result;
    }
}
