using System.Collections;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Files;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Loading;

/// <summary>
/// Every document of the shards from first to last, for a loss that depends on the documents and the context alone. A document is cut
/// into consecutive windows of context inputs that stand alone, each predicting the document's next tokens, so that a document of L
/// tokens has L - 1 targets. Windows are packed in order into rows; a row's rest is padded with ignored targets.
/// </summary>
/// <remarks>
/// Share i of n takes rows i, i + n, i + 2n, ...; weights of sources do not matter. Shares may have different numbers of batches, also
/// none. The caller disposes each batch.
/// </remarks>
public sealed class EvaluationBatches : IEnumerable<TokenBatch>
{
    private readonly ShardCatalog _catalog;
    private readonly int _context;
    private readonly int _batchRows;
    private readonly int _vocabularySize;
    private readonly DataShare _share;
    private readonly long _rowLimit;
    private readonly ReadAccess _access;
    private readonly TokenBatchPool _pool;

    /// <param name="catalog">The shards to read.</param>
    /// <param name="context">Inputs of a window, tokens of a row.</param>
    /// <param name="batchRows">Rows of a batch; the last one may have fewer.</param>
    /// <param name="vocabularySize">Ids must be below it.</param>
    /// <param name="share">The rows to read.</param>
    /// <param name="rowLimit">Rows, over all shares, after which to stop; null reads everything.</param>
    /// <param name="access">How files are read.</param>
    public EvaluationBatches(
        ShardCatalog catalog, int context, int batchRows, int vocabularySize, DataShare share, long? rowLimit = null, ReadAccess? access = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(context, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchRows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabularySize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(rowLimit ?? 1, 1);
        _catalog = catalog;
        _context = context;
        _batchRows = batchRows;
        _vocabularySize = vocabularySize;
        _share = share;
        _rowLimit = rowLimit ?? long.MaxValue;
        _access = access ?? new ReadAccess();
        _pool = new TokenBatchPool(context);
    }

    /// <summary>Reads from the start.</summary>
    /// <exception cref="InvalidDataException">A shard is damaged or holds an id outside the vocabulary.</exception>
    /// <exception cref="ShardFileException">A file cannot be read or has changed.</exception>
    public IEnumerator<TokenBatch> GetEnumerator()
    {
        using var shards = new OpenShards(_vocabularySize, _access, CancellationToken.None);
        var group = new DocumentGroup();
        var rows = new EvaluationRows(_context, _batchRows, _share, _rowLimit, _pool);
        foreach (var (shard, index) in RowGroups())
        {
            shards.Read(shard, index, group);
            for (var document = 0; document < group.DocumentCount && !rows.IsFull; document++)
            {
                // The last token predicts nothing within its document, so it is no input.
                var inputs = group.Length(document) - 1;
                for (var start = 0; start < inputs && !rows.IsFull; start += _context)
                {
                    var count = Math.Min(_context, inputs - start);
                    if (!rows.HasRoom(count))
                    {
                        if (rows.EndRow() is { } complete)
                        {
                            yield return complete;
                        }

                        if (rows.IsFull)
                        {
                            break;
                        }
                    }

                    rows.Add(group.Document(document).Slice(start, count + 1));
                }
            }

            if (rows.IsFull)
            {
                break;
            }
        }

        if (rows.EndRow() is { } last)
        {
            yield return last;
        }

        if (rows.Rest() is { } rest)
        {
            yield return rest;
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private IEnumerable<(ShardSummary Shard, int RowGroup)> RowGroups()
    {
        foreach (var shard in _catalog.Sources.SelectMany(source => source.Shards))
        {
            for (var index = 0; index < shard.RowGroups.Count; index++)
            {
                yield return (shard, index);
            }
        }
    }
}
