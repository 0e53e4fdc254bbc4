using System.Globalization;

namespace KvShiftScale.Data;

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
    private readonly List<ShardManifest.Entry> _files = [];
    private TokenShardWriter? _shard;

    /// <param name="folder">Made when it is missing.</param>
    /// <param name="name">First part of the shards' names.</param>
    /// <param name="shardTokens">Tokens after which the next document opens another shard.</param>
    /// <param name="options">How each shard is written.</param>
    /// <exception cref="IOException">The folder holds a finished set of shards.</exception>
    public ShardFolderWriter(string folder, string name, long shardTokens, ShardWriterOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(shardTokens, 1);
        _folder = folder;
        _name = name;
        _shardTokens = shardTokens;
        _options = options;
        Directory.CreateDirectory(folder);
        if (File.Exists(Path.Combine(folder, ShardManifest.FileName)))
        {
            throw new IOException(
                $"{folder} holds finished shards ({ShardManifest.FileName}); remove the folder or write into another one.");
        }
    }

    /// <summary>Adds one document, possibly empty.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id lies outside the vocabulary.</exception>
    public void Append(ReadOnlySpan<int> document)
    {
        _shard ??= new TokenShardWriter(PathOf(_files.Count), _options);
        _shard.Append(document);
        if (_shard.TokenCount >= _shardTokens)
        {
            CompleteShard();
        }
    }

    /// <summary>Finishes the last shard and writes the manifest.</summary>
    public ShardManifest Complete()
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

        var manifest = new ShardManifest(
            _options.TokenizerHash, _options.VocabularySize, _files.Sum(file => file.Rows), _files.Sum(file => file.Tokens), _files);
        manifest.Write(_folder);
        return manifest;
    }

    /// <summary>Gives up the shard being written; those before it stay.</summary>
    public void Dispose() => _shard?.Dispose();

    private void CompleteShard()
    {
        if (_shard is null)
        {
            return;
        }

        _shard.Complete();
        var path = PathOf(_files.Count);
        _files.Add(new ShardManifest.Entry(
            Path.GetFileName(path), _shard.DocumentCount, _shard.TokenCount, new FileInfo(path).Length));
        _shard.Dispose();
        _shard = null;
    }

    private string PathOf(int index)
        => Path.Combine(_folder, _name + "-" + index.ToString("00000", CultureInfo.InvariantCulture) + ".parquet");
}
