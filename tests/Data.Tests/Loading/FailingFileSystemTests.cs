using System.Collections.Concurrent;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Files;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tests.Shards;

namespace KvShiftScale.Data.Tests.Loading;

/// <summary>A file system that fails gives the right batches later, or a clear error; never other batches.</summary>
public sealed class FailingFileSystemTests : IDisposable
{
    private const int Vocabulary = 100_000;
    private const int Steps = 400;

    private static readonly DataConfig Config = new() { Context = 16, GlobalBatch = 6, MicroBatch = 3, ShuffleRowGroups = 2, ReaderThreads = 2 };

    private readonly ShardFolder _folder = new();
    private readonly ConcurrentQueue<string> _notices = new();

    public FailingFileSystemTests()
    {
        // More files than a reader has open at a time, so that all of them are opened again and again.
        for (var shard = 0; shard < 12; shard++)
        {
            _folder.Write($"{shard}.parquet", ShardFolder.Consecutive(8_000 * shard, [.. Enumerable.Range(0, 60).Select(i => i * 7 % 50)]), 200);
        }
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void ReadsThatFailForAWhileAreRepeatedAndChangeNothing(int failuresInARow)
    {
        var expected = Rows(new ReadAccess(), DataShare.Whole);
        // Of every 5 reads the first ones fail; what is read is cut into pieces as well.
        var files = new FaultyFiles { FailsRead = read => read % 5 < failuresInARow, LargestRead = 300 };
        var access = Access(files, retries: 40);

        Assert.Equal(expected, Rows(access, DataShare.Whole));

        Assert.True(files.Failures > 50, $"only {files.Failures} reads failed");
        Assert.Equal(files.Failures, access.RetryCount);
        Assert.Equal(files.Failures, _notices.Count);
        Assert.All(_notices, notice => Assert.Matches(@"\.parquet: reading \d+ bytes at byte \d+ failed: Input/output error\. Repetition \d+ of 40 in ", notice));
    }

    [Fact]
    public void FileThatIsGoneForAWhileIsWaitedFor()
    {
        var expected = Rows(new ReadAccess(), DataShare.Whole);
        var catalog = _folder.Catalog();
        var (path, elsewhere) = (_folder.PathOf("1.parquet"), _folder.PathOf("1.moved"));
        File.Move(path, elsewhere);
        var access = new ReadAccess
        {
            Retries = 10,
            FirstPause = TimeSpan.FromMilliseconds(1),
            Notice = notice =>
            {
                _notices.Enqueue(notice);
                if (_notices.Count == 4)
                {
                    File.Move(elsewhere, path);
                }
            },
        };

        Assert.Equal(expected, Rows(access, DataShare.Whole, catalog));
        Assert.Contains(_notices, notice => notice.StartsWith($"{path}: opening it failed: ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void ReadsThatFailForGoodEndEveryShareWithTheSameError(int retries)
    {
        var expected = Rows(new ReadAccess(), DataShare.Whole);
        var catalog = _folder.Catalog();
        var messages = new List<string>();
        foreach (var index in (int[])[0, 1])
        {
            var files = new FaultyFiles();
            files.FailsOpen = path => path.EndsWith("2.parquet", StringComparison.Ordinal);
            using var batches = new TrainingBatches(catalog, Config, seed: 1, Vocabulary, new DataShare(index, 2), access: Access(files, retries));

            var (taken, error) = TakeUntilFailure(batches);

            // What came before the failure is right; the same error comes again.
            Assert.Equal(expected.SelectMany(step => step.Chunk(3).ElementAt(index)).Take(taken.Count), taken);
            Assert.Same(error, Assert.Throws<ShardFileException>(batches.Next));
            messages.Add(error.Message);
        }

        Assert.Equal(messages[0], messages[1]);
        Assert.StartsWith($"{_folder.PathOf("2.parquet")}: opening it failed {retries + 1} times, the last time with: Input/output error", messages[0],
            StringComparison.Ordinal);
        Assert.Contains("data.read_retries", messages[0], StringComparison.Ordinal);
    }

    [Fact]
    public void PausesDouble()
    {
        var access = new ReadAccess { Retries = 4, FirstPause = TimeSpan.FromMilliseconds(20), Notice = _notices.Enqueue, Files = new FaultyFiles { FailsOpen = _ => true } };

        Assert.Throws<ShardFileException>(() => new ShardFile(_folder.PathOf("0.parquet"), access, expected: null, CancellationToken.None));

        Assert.Equal(["0.02", "0.04", "0.08", "0.16"], _notices.Select(notice => notice.Split(" in ")[1].Split(' ')[0]));
    }

    [Fact]
    public void MissingFileFailsAtOnce()
    {
        var access = new ReadAccess { Notice = _notices.Enqueue };

        Assert.Throws<FileNotFoundException>(() => new ShardFile(_folder.PathOf("none"), access, expected: null, CancellationToken.None));
        Assert.Empty(_notices);
    }

    [Fact]
    public void SlowReadsAreTold()
    {
        var access = new ReadAccess { SlowRead = TimeSpan.Zero, Notice = _notices.Enqueue };
        using var file = new ShardFile(_folder.PathOf("0.parquet"), access, expected: null, CancellationToken.None);

        file.ReadExactly(new byte[10]);

        Assert.Matches(@"0\.parquet: reading \d+ bytes took \d+\.\d s; the file system is slow", Assert.Single(_notices));
    }

    [Fact]
    public void ShrunkFileIsNamedWhileItIsRead()
    {
        var path = _folder.PathOf("0.parquet");
        using var file = new ShardFile(path, new ReadAccess(), expected: null, CancellationToken.None);
        file.ReadExactly(new byte[4]);
        using (var writer = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            writer.SetLength(100);
        }

        file.Position = 200;
        var error = Assert.Throws<ShardFileException>(() => file.ReadExactly(new byte[100_000]));

        Assert.StartsWith($"{path}: ends at byte 200, but had {file.Length} bytes when reading began: it was cut", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("touched")]
    [InlineData("other content of the same length")]
    [InlineData("cut")]
    [InlineData("replaced")]
    public void FileThatChangesWhileTrainingIsNamedAndNoBatchOfItIsGiven(string change)
    {
        var expected = Rows(new ReadAccess(), DataShare.Whole).SelectMany(step => step).ToArray();
        using var batches = new TrainingBatches(_folder.Catalog(), Config, seed: 1, Vocabulary, DataShare.Whole);
        var taken = new List<int[]>();
        for (var i = 0; i < 4; i++)
        {
            using var batch = batches.Next();
            taken.AddRange(RowsOf(batch));
        }

        var path = _folder.PathOf("1.parquet");
        var bytes = File.ReadAllBytes(path);
        Action act = change switch
        {
            "touched" => () => File.SetLastWriteTimeUtc(path, new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc)),
            "cut" => () => Overwrite(path, bytes.AsSpan(0, bytes.Length - 50)),
            "replaced" => () =>
            {
                File.Delete(path);
                Overwrite(path, bytes.AsSpan(10));
            }
            ,
            _ => () => Overwrite(path, [.. bytes.Reverse()]),
        };
        act();
        var (rest, error) = TakeUntilFailure(batches);

        taken.AddRange(rest);
        Assert.True(taken.Count < expected.Length, "the change was not noticed");
        Assert.Equal(expected.Take(taken.Count), taken);
        Assert.StartsWith($"{path}: ", error.Message, StringComparison.Ordinal);
        Assert.Matches("changed while in use|was cut while in use", error.Message);
    }

    [Fact]
    public void DisposingEndsAPauseBetweenRepetitions()
    {
        var access = new ReadAccess { FirstPause = TimeSpan.FromMinutes(5), Files = new FaultyFiles { FailsOpen = _ => true } };
        var batches = new TrainingBatches(_folder.Catalog(), Config, seed: 1, Vocabulary, DataShare.Whole, access: access);
        Assert.True(SpinWait.SpinUntil(() => access.RetryCount > 0, TimeSpan.FromSeconds(60)));

        var disposing = new Thread(batches.Dispose);
        disposing.Start();

        Assert.True(disposing.Join(TimeSpan.FromSeconds(60)), "the pause of five minutes was not ended");
    }

    private static void Overwrite(string path, ReadOnlySpan<byte> bytes)
    {
        using var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite);
        file.SetLength(bytes.Length);
        file.Write(bytes);
    }

    private static (List<int[]> Rows, ShardFileException Error) TakeUntilFailure(TrainingBatches batches)
    {
        var rows = new List<int[]>();
        for (var i = 0; i < 10 * Steps; i++)
        {
            try
            {
                using var batch = batches.Next();
                rows.AddRange(RowsOf(batch));
            }
            catch (ShardFileException error)
            {
                return (rows, error);
            }
        }

        throw new Xunit.Sdk.XunitException("nothing failed");
    }

    private static IEnumerable<int[]> RowsOf(TokenBatch batch) => batch.Inputs.Chunk(batch.Context).ToArray();

    private ReadAccess Access(FaultyFiles files, int retries)
        => new() { Retries = retries, FirstPause = TimeSpan.FromTicks(1), Notice = _notices.Enqueue, Files = files };

    private int[][][] Rows(ReadAccess access, DataShare share, ShardCatalog? catalog = null)
    {
        using var batches = new TrainingBatches(catalog ?? _folder.Catalog(), Config, seed: 1, Vocabulary, share, access: access);
        var steps = new int[Steps][][];
        for (var step = 0; step < Steps; step++)
        {
            var rows = new List<int[]>();
            for (var micro = 0; micro < batches.MicroBatchesPerStep; micro++)
            {
                using var batch = batches.Next();
                rows.AddRange(RowsOf(batch));
            }

            steps[step] = [.. rows];
        }

        return steps;
    }
}
