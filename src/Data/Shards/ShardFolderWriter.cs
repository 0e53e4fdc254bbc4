using System.Globalization;

namespace KvShiftScale.Data.Shards;

/// <summary>
/// Writes documents into a folder as shards of about equal size, <c>NAME-00000.parquet</c> and so on, and at the end a
/// <see cref="ShardManifest"/>. Shards that an interrupted writer of the same name left are replaced; a finished folder is refused.
/// </summary>
public sealed class ShardFolderWriter : IDisposable
{
    private readonly string _folder;
    private readonly string _name;
    private readonly long _shardTokens;
    private readonly ShardWriterOptions _options;
    private readonly List<ShardManifest.Entry> _files;
    private readonly DocumentHash _hash = new();
    private TokenShardWriter? _shard;

    // Of the shard being written.
    private long _emptyDocuments;
    private int _shortest = int.MaxValue;
    private int _longest;

    /// <param name="folder">Made when it is missing.</param>
    /// <param name="name">First part of the shards' names.</param>
    /// <param name="shardTokens">Tokens after which the next document opens another shard.</param>
    /// <param name="options">How each shard is written.</param>
    /// <param name="done">Shards that are in the folder already and stay: the ones of the documents before those to be written.</param>
    /// <exception cref="IOException">The folder holds a finished set of shards.</exception>
    public ShardFolderWriter(
        string folder, string name, long shardTokens, ShardWriterOptions options, IReadOnlyList<ShardManifest.Entry>? done = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(shardTokens, 1);
        _folder = folder;
        _name = name;
        _shardTokens = shardTokens;
        _options = options;
        _files = [.. done ?? []];
        Directory.CreateDirectory(folder);
        if (File.Exists(Path.Combine(folder, ShardManifest.FileName)))
        {
            throw new IOException(
                $"{folder} holds finished shards ({ShardManifest.FileName}); remove the folder or write into another one.");
        }
    }

    /// <summary>The shards that are complete, and on disk.</summary>
    public IReadOnlyList<ShardManifest.Entry> CompleteShards => _files;

    /// <summary>Adds one document, possibly empty.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id lies outside the vocabulary.</exception>
    public void Append(ReadOnlySpan<int> document)
    {
        _shard ??= new TokenShardWriter(PathOf(_files.Count), _options);
        _shard.Append(document);
        _hash.Append(document);
        _emptyDocuments += document.IsEmpty ? 1 : 0;
        _shortest = Math.Min(_shortest, document.Length);
        _longest = Math.Max(_longest, document.Length);
        if (_shard.TokenCount >= _shardTokens)
        {
            CompleteShard();
        }
    }

    /// <summary>Finishes the last shard and writes the manifest.</summary>
    /// <param name="preparation">What the shards were made from.</param>
    public ShardManifest Complete(PreparationRecord? preparation = null)
    {
        // A folder without documents still has a shard, so that its glob finds something to say so about.
        if (_shard is null && _files.Count == 0)
        {
            _shard = new TokenShardWriter(PathOf(0), _options);
        }

        CompleteShard();
        for (var stale = _files.Count; File.Exists(PathOf(stale)); stale++)
        {
            File.Delete(PathOf(stale));
        }

        var manifest = Manifest(preparation);
        manifest.Write(_folder);
        return manifest;
    }

    /// <summary>The manifest of the shards that are complete so far.</summary>
    internal ShardManifest Manifest(PreparationRecord? preparation) => new(
        _options.TokenizerHash, _options.VocabularySize, _files.Sum(file => file.Rows), _files.Sum(file => file.Tokens), [.. _files])
    {
        Lengths = _files.Aggregate(DocumentLengths.None, (sum, file) => sum.And(file.Lengths ?? DocumentLengths.None)),
        Preparation = preparation,
    };

    /// <summary>Gives up the shard being written; those before it stay.</summary>
    public void Dispose()
    {
        _shard?.Dispose();
        _hash.Dispose();
    }

    /// <summary>Finishes the shard being written before it is full, if there is one; the next document opens another one.</summary>
    internal void CompleteShard()
    {
        if (_shard is null)
        {
            return;
        }

        _shard.Complete();
        var path = PathOf(_files.Count);
        var (documents, tokens) = (_shard.DocumentCount, _shard.TokenCount);
        _files.Add(new ShardManifest.Entry(Path.GetFileName(path), documents, tokens, new FileInfo(path).Length)
        {
            Sha256 = _hash.Finish(),
            Lengths = documents == 0
                ? DocumentLengths.None
                : new DocumentLengths(documents, _emptyDocuments, _shortest, _longest, (double)tokens / documents),
        });
        (_emptyDocuments, _shortest, _longest) = (0, int.MaxValue, 0);
        _shard.Dispose();
        _shard = null;
    }

    private string PathOf(int index)
        => Path.Combine(_folder, _name + "-" + index.ToString("00000", CultureInfo.InvariantCulture) + ".parquet");
}
