using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Tests.Loading;

/// <summary>
/// What a checkpoint kept before there was <c>data.row_order</c> still stands for the same batches. Shards, states and hashes in
/// <c>files</c> were written by the program as it was at commit 0a2f5b2, with the hash of <see cref="Hashes"/>.
/// </summary>
public sealed class EarlierOrderTests
{
    private const int Steps = 1000;
    private const int HashedSteps = 100;

    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Loading", "files");
    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    [Theory]
    [InlineData("concatenate", Packing.Concatenate, true)]
    [InlineData("concatenate_without_mask", Packing.Concatenate, false)]
    [InlineData("pad", Packing.Pad, true)]
    [InlineData("pad_without_mask", Packing.Pad, false)]
    public void BatchesAreThoseOfTheProgramBefore(string name, Packing packing, bool documentMask)
    {
        var (state, expected) = Read(name);
        Assert.Equal((packing, documentMask, RowOrder.Sequential), (state.Packing, state.DocumentMask, state.RowOrder));
        var config = new DataConfig
        {
            Train = [new DataSource(Path.Combine(Folder, "a-*.parquet"), 0.7), new DataSource(Path.Combine(Folder, "b-*.parquet"), 0.3)],
            Context = state.Context,
            GlobalBatch = state.GlobalBatch,
            MicroBatch = 5,
            ShuffleRowGroups = state.ShuffleRowGroups,
            Packing = state.Packing,
            DocumentMask = state.DocumentMask,
            RowOrder = state.RowOrder,
        };
        var catalog = ShardCatalog.Open(config.Train, new CountingOptions { PaddedContext = packing == Packing.Pad ? state.Context : null });

        Assert.Null(state.DifferenceFrom(LoaderState.Of(catalog, config, state.Seed, state.Step)));
        Assert.Equal(expected, Hashes(catalog, config, state.Seed, firstStep: 0));
        // On from the checkpoint, also on another number of ranks and threads.
        var rest = expected[((int)state.Step / HashedSteps)..];
        Assert.Equal(rest, Hashes(catalog, config, state.Seed, state.Step));
        Assert.Equal(rest, Hashes(catalog, config with { ReaderThreads = 4, MicroBatch = 2 }, state.Seed, state.Step, ranks: 3));
        // The new order is another one, and refused.
        var mixed = config with { RowOrder = RowOrder.Shuffled };
        Assert.NotEqual(rest, Hashes(catalog, mixed, state.Seed, state.Step));
        Assert.Equal("data.row_order was sequential and is shuffled", state.DifferenceFrom(LoaderState.Of(catalog, mixed, state.Seed, state.Step)));
    }

    private static (LoaderState State, string[] Hashes) Read(string name)
    {
        using var file = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, "batches.json")));
        var entry = file.RootElement.GetProperty(name);
        return (entry.GetProperty("state").Deserialize<LoaderState>(Options)!,
            [.. entry.GetProperty("sha256_of_each_100_batches").EnumerateArray().Select(hash => hash.GetString()!)]);
    }

    // Inputs, targets and positions of each row after the other, of 100 global batches at a time.
    private static string[] Hashes(ShardCatalog catalog, DataConfig config, long seed, long firstStep, int ranks = 1)
    {
        TrainingBatches[] readers = [.. Enumerable.Range(0, ranks).Select(rank
            => new TrainingBatches(catalog, config, seed, vocabularySize: 251, new DataShare(rank, ranks), firstStep))];
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var hashes = new List<string>();
        for (var step = firstStep; step < Steps; step++)
        {
            foreach (var reader in readers)
            {
                for (var micro = 0; micro < reader.MicroBatchesPerStep; micro++)
                {
                    using var batch = reader.Next();
                    for (var row = 0; row < batch.Rows; row++)
                    {
                        foreach (var ids in (int[][])[batch.Inputs, batch.Targets, batch.Positions])
                        {
                            hash.AppendData(MemoryMarshal.AsBytes(ids.AsSpan(row * batch.Context, batch.Context)));
                        }
                    }
                }
            }

            if ((step + 1) % HashedSteps == 0)
            {
                hashes.Add(Convert.ToHexStringLower(hash.GetHashAndReset()));
            }
        }

        Array.ForEach(readers, reader => reader.Dispose());
        return [.. hashes];
    }
}
