using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>Many threads read at the same time, each its own shard, as loaders do; native memory has no second chance.</summary>
public sealed class ConcurrentReadingTests(ForeignMatrix matrix) : IClassFixture<ForeignMatrix>
{
    [Fact]
    public void EveryThreadFindsTheChecksums()
    {
        string[] names = [.. matrix.Expected.Keys.Order(StringComparer.Ordinal).Where((_, index) => index % 4 == 0)];
        var wrong = new System.Collections.Concurrent.ConcurrentBag<string>();
        var threads = Enumerable.Range(0, 8).Select(number => new Thread(() =>
        {
            for (var index = 0; index < names.Length; index++)
            {
                // Some at the same file, some not.
                var name = names[(index + (number / 2 * 7)) % names.Length];
                if (ShardVerification.Read(matrix.PathOf(name)) is var found && found != matrix.Expected[name])
                {
                    wrong.Add($"{name}: {found}");
                }

                if (index % 10 == number)
                {
                    GC.Collect();
                }
            }
        })).ToArray();
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());

        Assert.Empty(wrong);
    }
}
