using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using KvShiftScale.Data.Configuration;

namespace KvShiftScale.Data.Shards;

/// <summary>The shards that one glob of the configuration stands for, in ordinal order of their names.</summary>
public sealed class ShardSource
{
    private readonly Lazy<SourceFingerprint> _fingerprint;

    internal ShardSource(DataSource source, IReadOnlyList<ShardSummary> shards)
    {
        Glob = source.Glob;
        Weight = source.Weight;
        Shards = shards;
        HasCounts = shards.All(shard => shard.RowGroups.All(group => group.Tokens != RowGroupCounts.Unknown));
        DocumentCount = shards.Sum(shard => shard.DocumentCount);
        _fingerprint = new Lazy<SourceFingerprint>(() => new SourceFingerprint(Glob, Weight, Shards.Count, DocumentCount, TokenCount, Hash(Shards)));
    }

    /// <summary>The pattern that found the files.</summary>
    public string Glob { get; }

    /// <summary>Share of the samples, relative to the other sources.</summary>
    public double Weight { get; }

    /// <summary>The files.</summary>
    public IReadOnlyList<ShardSummary> Shards { get; }

    /// <summary>The tokens of every row group are known.</summary>
    public bool HasCounts { get; }

    /// <summary>Identifies what was found.</summary>
    /// <exception cref="InvalidOperationException">Tokens have not been counted.</exception>
    public SourceFingerprint Fingerprint => _fingerprint.Value;

    /// <summary>
    /// Identifies the files by names, lengths and footers, in words that a person can compare; also of a source that is not counted.
    /// </summary>
    public string Identity => string.Create(CultureInfo.InvariantCulture,
        $"'{Glob}' with weight {Weight} is {Shards.Count} files with {DocumentCount} documents ({Hash(Shards)[..16]})");

    /// <summary>Documents of all files.</summary>
    public long DocumentCount { get; }

    /// <summary>Tokens of all files.</summary>
    /// <exception cref="InvalidOperationException">They have not been counted.</exception>
    public long TokenCount => Shards.Sum(shard => shard.TokenCount);

    private static string Hash(IReadOnlyList<ShardSummary> shards)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> number = stackalloc byte[sizeof(long)];
        foreach (var shard in shards)
        {
            var name = Encoding.UTF8.GetBytes(shard.Name);
            Append(hash, number, name.Length);
            hash.AppendData(name);
            Append(hash, number, shard.ByteCount);
            hash.AppendData(Convert.FromHexString(shard.FooterSha256));
            Append(hash, number, shard.RowGroups.Count);
            foreach (var group in shard.RowGroups)
            {
                Append(hash, number, group.Documents);
                Append(hash, number, group.Tokens);
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void Append(IncrementalHash hash, Span<byte> buffer, long value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(buffer, value);
        hash.AppendData(buffer);
    }
}
