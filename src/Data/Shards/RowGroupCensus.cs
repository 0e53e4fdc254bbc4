using System.Diagnostics;
using System.Globalization;
using System.Runtime.ExceptionServices;
using KvShiftScale.Data.Files;

namespace KvShiftScale.Data.Shards;

/// <summary>Counts what the footers of a list of shards do not tell, see <see cref="CountingOptions"/>.</summary>
internal sealed class RowGroupCensus
{
    private static readonly TimeSpan NoticeInterval = TimeSpan.FromSeconds(10);

    private readonly IReadOnlyList<ShardSummary> _shards;
    private readonly CountingOptions _options;
    private readonly ReadAccess _access;

    // What is missing, in file order; two numbers of each, plus 1 so that 0 says "not known yet": tokens, and padded rows.
    private readonly (int Shard, int RowGroup)[] _missing;
    private readonly long[] _found;

    private RowGroupCensus(IReadOnlyList<ShardSummary> shards, CountingOptions options, ReadAccess access)
    {
        _shards = shards;
        _options = options;
        _access = access;
        _missing = [.. shards.SelectMany((shard, index) => Enumerable.Range(0, shard.RowGroups.Count)
            .Where(group => options.PaddedContext is not null || shard.RowGroups[group].Tokens < 0)
            .Select(group => (index, group)))];
        _found = new long[2 * _missing.Length];
    }

    /// <summary>The shards with all of their counts.</summary>
    /// <exception cref="InvalidDataException">A row group is damaged, or one that had to be read holds an id outside the vocabulary.</exception>
    public static IReadOnlyList<ShardSummary> Complete(IReadOnlyList<ShardSummary> shards, CountingOptions options, ReadAccess access)
    {
        if (options.Share.Count > 1 && options.SumOverShares is null)
        {
            throw new ArgumentException("Several shares need a way to put together what each has counted.", nameof(options));
        }

        var census = new RowGroupCensus(shards, options, access);
        return census._missing.Length == 0 ? shards : census.Run();
    }

    private IReadOnlyList<ShardSummary> Run()
    {
        var isFirst = _options.Share.Index == 0;
        if (isFirst && _options.File is { } file)
        {
            CountsFile.Read(file, _options.PaddedContext).CopyTo(_shards, _missing, _found);
        }

        // Every share learns what the first one remembers, so that all agree on what is left.
        _options.SumOverShares?.Invoke(_found);
        int[] unknown = [.. Enumerable.Range(0, _missing.Length).Where(item => _found[2 * item] == 0)];
        if (unknown.Length > 0)
        {
            var own = new long[_found.Length];
            try
            {
                Count([.. unknown.Where((_, place) => place % _options.Share.Count == _options.Share.Index)], own);
            }
            catch (AggregateException several)
            {
                // The first fault is enough, and it is what a single thread would have thrown.
                ExceptionDispatchInfo.Throw(several.Flatten().InnerExceptions[0]);
            }

            _options.SumOverShares?.Invoke(own);
            for (var i = 0; i < own.Length; i++)
            {
                _found[i] += own[i];
            }
        }

        var complete = Fill();
        if (isFirst && unknown.Length > 0 && _options.File is { } target)
        {
            CountsFile.Of(complete, _options.PaddedContext).Write(target);
        }

        return complete;
    }

    private void Count(int[] items, long[] counts)
    {
        var started = Stopwatch.StartNew();
        var next = 0;
        var done = 0;
        var told = TimeSpan.Zero;
        var lockObject = new Lock();
        Parallel.For(0, Math.Min(_options.Threads, items.Length), new ParallelOptions { MaxDegreeOfParallelism = _options.Threads }, _ =>
        {
            var group = new DocumentGroup();
            using var shards = new OpenShards(_options.VocabularySize, _access, CancellationToken.None);
            for (int place; (place = Interlocked.Increment(ref next) - 1) < items.Length;)
            {
                var item = items[place];
                var (shard, rowGroup) = _missing[item];
                shards.Read(_shards[shard], rowGroup, group);
                counts[2 * item] = 1 + group.TokenCount;
                counts[2 * item + 1] = 1 + (_options.PaddedContext is { } context ? PaddedRows(group, context) : 0);
                Interlocked.Increment(ref done);
                lock (lockObject)
                {
                    if (started.Elapsed - told > NoticeInterval)
                    {
                        told = started.Elapsed;
                        _options.Notice?.Invoke(string.Create(CultureInfo.InvariantCulture,
                            $"counting tokens that footers do not state: {done} of {items.Length} row groups"));
                    }
                }
            }
        });
    }

    private static long PaddedRows(DocumentGroup group, int context)
    {
        var rows = 0L;
        for (var document = 0; document < group.DocumentCount; document++)
        {
            rows += DocumentLengths.PaddedRows(group.Length(document), context);
        }

        return rows;
    }

    private ShardSummary[] Fill()
    {
        var groups = _shards.Select(shard => shard.RowGroups.ToArray()).ToArray();
        var rows = _shards.Select(shard => new int[shard.RowGroups.Count]).ToArray();
        for (var item = 0; item < _missing.Length; item++)
        {
            var (shard, rowGroup) = _missing[item];
            groups[shard][rowGroup] = groups[shard][rowGroup] with { Tokens = (int)(_found[2 * item] - 1) };
            rows[shard][rowGroup] = (int)(_found[2 * item + 1] - 1);
        }

        return [.. _shards.Select((shard, index) => shard with
        {
            RowGroups = groups[index],
            PaddedRows = _options.PaddedContext is null ? null : rows[index],
        })];
    }
}
