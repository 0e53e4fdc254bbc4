using System.Globalization;
using KvShiftScale.Core.Numbers;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Files;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Loading;

/// <summary>
/// The batches of a training run, without end. Step t takes rows [t * global batch, (t + 1) * global batch) of the global order, which
/// depends on seed, sources and weights alone; share i of n takes the rows that <see cref="DataShare.Of"/> gives it, in micro-batches.
/// Background threads decode row groups and make batches ahead, in buffers that are used again.
/// </summary>
public sealed class TrainingBatches : IMicroBatches, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly ShardCatalog _catalog;
    private readonly DataConfig _config;
    private readonly long _seed;
    private readonly long _firstStep;
    private readonly int _shareStart;
    private readonly int _shareEnd;

    private readonly TokenBatchPool _pool;
    private readonly BatchQueue _ready;
    private readonly ReadAccess _access;
    private readonly RowGroupReaders _readers;
    private readonly MixtureOrder _mixture;
    private readonly RowStream[] _streams;
    private readonly int[] _row;
    private readonly int[] _documentStarts;
    private readonly Task _reading;
    private bool _isDisposed;

    /// <param name="catalog">The shards, in the order of <see cref="DataConfig.Train"/>, counted.</param>
    /// <param name="config">Context, batch sizes, packing, masking, order of rows and read-ahead.</param>
    /// <param name="seed">Names the order.</param>
    /// <param name="vocabularySize">Ids must be below it.</param>
    /// <param name="share">The part of every step's rows to read.</param>
    /// <param name="firstStep">Step of the first batch; seeking to it reads no more than its own window of row groups.</param>
    /// <param name="access">How files are read; told of waiting, too.</param>
    /// <exception cref="ArgumentException">A size is not positive, or a step has fewer rows than shares.</exception>
    /// <exception cref="InvalidDataException">A source is shorter than one row.</exception>
    public TrainingBatches(
        ShardCatalog catalog, DataConfig config, long seed, int vocabularySize, DataShare share, long firstStep = 0, ReadAccess? access = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstStep);
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabularySize, 1);
        Validate(config, share);
        _catalog = catalog;
        _config = config;
        _seed = seed;
        _firstStep = firstStep;
        (_shareStart, _shareEnd) = share.Of(config.GlobalBatch);

        _pool = new TokenBatchPool(config.Context);
        _access = access ?? new ReadAccess { Retries = config.ReadRetries };
        _ready = new BatchQueue(config.PrefetchBatches, Patience, TellOfWaiting);
        _mixture = new MixtureOrder([.. catalog.Sources.Select(source => source.Weight)]);
        _readers = new RowGroupReaders(config.ReaderThreads, vocabularySize, _access);
        try
        {
            _streams = [.. catalog.Sources.Select((source, index) => new RowStream(
                source, config, CounterRandom.Key((ulong)seed, (ulong)index), _readers))];
        }
        catch
        {
            _readers.Dispose();
            throw;
        }

        _row = new int[config.Context + 1];
        _documentStarts = new int[config.Context];
        _reading = Task.Factory.StartNew(
            ReadAhead, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Calls of <see cref="Next"/> that make one step; the last one may have fewer rows than the others.</summary>
    public int MicroBatchesPerStep => (_shareEnd - _shareStart + _config.MicroBatch - 1) / _config.MicroBatch;

    /// <summary>Time that <see cref="Next"/> has waited for data, in all.</summary>
    public double WaitSeconds => _ready.Waited.TotalSeconds;

    /// <summary>Batches that exist, in use or not: those read ahead, one that is being made, and those that a schedule has not given back.</summary>
    internal int BatchesMade => _pool.MadeCount;

    /// <summary>What a checkpoint taken after <paramref name="step"/> steps has to keep.</summary>
    public LoaderState State(long step) => LoaderState.Of(_catalog, _config, _seed, step);

    /// <summary>The next micro-batch of this share; the caller disposes it.</summary>
    /// <exception cref="InvalidDataException">A shard is damaged or holds an id outside the vocabulary.</exception>
    /// <exception cref="ShardFileException">A file cannot be read, or has changed since the catalog was opened.</exception>
    public TokenBatch Next()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        var batch = _ready.Take();
        if (batch is null)
        {
            // The thread ends only by failing; this throws what it threw.
            _reading.GetAwaiter().GetResult();
        }

        return batch!;
    }

    /// <summary>Stops the thread and closes the files.</summary>
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        _ready.Close();

        _readers.Dispose();

        // Waits without throwing: a failure that nobody asked for is of no interest any more.
        Task.WaitAny(_reading);
    }

    private static void Validate(DataConfig config, DataShare share)
    {
        RequirePositive("data.context", config.Context);
        RequirePositive("data.global_batch", config.GlobalBatch);
        RequirePositive("data.micro_batch", config.MicroBatch);
        RequirePositive("data.prefetch_batches", config.PrefetchBatches);
        RequirePositive("data.reader_threads", config.ReaderThreads);
        RequirePositive("data.shuffle_row_groups", config.ShuffleRowGroups);
        if (config.GlobalBatch < share.Count)
        {
            throw new ArgumentException(
                $"data.global_batch is {config.GlobalBatch}, less than the {share.Count} shares that divide it; every share needs a "
                + "row. Raise it or start fewer data-parallel ranks.");
        }
    }

    private static void RequirePositive(string key, int value)
    {
        if (value < 1)
        {
            throw new ArgumentException($"{key} is {value}; it must be at least 1.");
        }
    }

    private void ReadAhead()
    {
        try
        {
            PrefetchEverySource();
            for (var step = _firstStep; ; step++)
            {
                for (var row = _shareStart; row < _shareEnd; row += _config.MicroBatch)
                {
                    var batch = _pool.Rent(Math.Min(_config.MicroBatch, _shareEnd - row));
                    Fill(batch, step * _config.GlobalBatch + row);
                    if (!_ready.Put(batch))
                    {
                        return;
                    }
                }
            }
        }
        finally
        {
            _ready.Close();
        }
    }

    // The first rows of all sources are read side by side; from then on each window begins to be read when the one before it is entered.
    private void PrefetchEverySource()
    {
        _mixture.Seek(_firstStep * _config.GlobalBatch + _shareStart);
        for (var source = 0; source < _streams.Length; source++)
        {
            _streams[source].Prefetch(_mixture.SamplesOf(source));
        }
    }

    private void TellOfWaiting(TimeSpan waited) => _access.Notice?.Invoke(string.Create(CultureInfo.InvariantCulture,
        $"training has been waiting {waited.TotalSeconds:0} s for its next batch of data; the file system of data.train is slow or does not answer"));

    private void Fill(TokenBatch batch, long firstRow)
    {
        batch.FirstRow = firstRow;
        _mixture.Seek(firstRow);
        var context = batch.Context;
        var (validTargets, tokens) = (0L, 0L);
        for (var row = 0; row < batch.Rows; row++)
        {
            var (source, sample) = _mixture.Next();
            var content = _streams[source].Read(sample, _row, _documentStarts);
            tokens += content.Tokens - 1;
            validTargets += RowLayout.Fill(
                _row.AsSpan(0, content.Tokens),
                _documentStarts.AsSpan(0, content.DocumentStarts),
                _config.DocumentMask,
                batch.Inputs.AsSpan(row * context, context),
                batch.Targets.AsSpan(row * context, context),
                batch.Positions.AsSpan(row * context, context));
        }

        batch.ValidTargets = validTargets;
        batch.TokenCount = tokens;
    }
}
