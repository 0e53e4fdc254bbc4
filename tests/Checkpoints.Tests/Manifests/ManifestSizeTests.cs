using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Checkpoints.Safetensors;
using KvShiftScale.Parallel.Parameters;

namespace KvShiftScale.Checkpoints.Tests.Manifests;

public sealed class ManifestSizeTests
{
    private const int Ranks = 1024;
    private const long Columns = 13824;
    private const long Rows = 5120;

    // Of a model of 13 billion parameters each matrix is a bucket of its own, of which every rank updates a part: 282 matrices (seven in each of 40
    // layers, two of the vocabulary) and two moments of each. With tensor parallelism a part may begin and end inside of a row, which makes three slices of it.
    private const long MostSlices = 282L * 3 * 3 * Ranks;

    [Fact]
    public void ManifestOf1024RanksFits()
    {
        var (small, manifest) = (Sample(tensors: 1), Sample(tensors: 3));

        var bytes = manifest.ToJson();

        var bytesPerSlice = (bytes.Length - small.ToJson().Length) / (2.0 * Ranks);
        Assert.InRange(bytesPerSlice * MostSlices, 1, CheckpointManifest.MostBytes);
        var read = ManifestJson.Read(bytes);
        Assert.Equal(manifest.Content.Tensors[0].Slices, read.Content.Tensors[0].Slices);
        Assert.True(ManifestJson.HasItsChecksum(bytes));
    }

    [Fact]
    public void ManifestThatNobodyCouldReadIsNotWritten()
    {
        var manifest = Sample(tensors: 1);
        var length = manifest.ToJson().Length;

        var error = Assert.Throws<InvalidDataException>(() => manifest.ToJson(mostBytes: length - 1));

        Assert.Contains($"more than the {length - 1} bytes that are read, with 1,024 slices in 1,024 files", error.Message, StringComparison.Ordinal);
        Assert.Equal(length, manifest.ToJson(mostBytes: length + 200).Length);
    }

    // Tensors with the longest of names, of which each rank has some rows.
    private static CheckpointManifest Sample(int tensors)
    {
        var names = Enumerable.Range(0, tensors).Select(i => FormattableString.Invariant($"exp_avg_sq.model.layers.{39 - i}.self_attn.o_proj.weight"));
        return new CheckpointManifest(4768, [.. Enumerable.Range(0, Ranks).Select(rank =>
            new CheckpointFile(FormattableString.Invariant($"rank-{rank:D5}.safetensors"), 1L << 37, new string('a', 64), new string('b', 64)))],
            new CheckpointContent
            {
                Tensors = [.. names.Select(name => new CheckpointTensor(name, SafetensorsType.F32, [Rows, Columns],
                    [.. Enumerable.Range(0, Ranks).Select(rank => Slice(name, rank))]))],
            });

        static TensorSlice Slice(string tensor, int rank) => new(FormattableString.Invariant($"rank-{rank:D5}.safetensors"),
            FormattableString.Invariant($"{tensor}@{rank * (Rows / Ranks) * Columns}"),
            new ElementRuns(rank * (Rows / Ranks) * Columns, Columns, Columns, Rows / Ranks), ulong.MaxValue);
    }
}
