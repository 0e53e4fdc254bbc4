using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace KvShiftScale.Data;

/// <summary>What <c>data verify</c> finds after reading every page.</summary>
/// <param name="Rows">Documents, empty ones included.</param>
/// <param name="Tokens">Tokens.</param>
/// <param name="Sha256">
/// Hash over each document's length and then its ids, all as little-endian int32, in lower-case hexadecimal. It depends on the documents
/// alone: not on row groups, encodings, compression or how they are spread over files.
/// </param>
public sealed record ShardVerification(long Rows, long Tokens, string Sha256)
{
    /// <summary>Reads a shard, or all shards (<c>*.parquet</c>) of a folder in name order.</summary>
    /// <exception cref="FileNotFoundException">There is no such file, or the folder has no shard.</exception>
    /// <exception cref="InvalidDataException">A shard is damaged; the message names file and row group.</exception>
    public static ShardVerification Read(string fileOrFolder)
    {
        if (!Directory.Exists(fileOrFolder))
        {
            return Read([fileOrFolder]);
        }

        var files = Directory.GetFiles(fileOrFolder, "*.parquet");
        Array.Sort(files, StringComparer.Ordinal);
        return files.Length > 0
            ? Read(files)
            : throw new FileNotFoundException($"{fileOrFolder} has no *.parquet file; name a shard or a folder of shards.", fileOrFolder);
    }

    /// <summary>Reads shards one after the other, as if they were one.</summary>
    public static ShardVerification Read(IEnumerable<string> files)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var group = new DocumentGroup();
        long rows = 0;
        long tokens = 0;
        foreach (var file in files)
        {
            using var shard = TokenShard.Open(file);
            for (var index = 0; index < shard.RowGroupCount; index++)
            {
                shard.ReadRowGroup(index, group);
                Append(hash, group);
                rows += group.DocumentCount;
                tokens += group.TokenCount;
            }
        }

        return new ShardVerification(rows, tokens, Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    private static void Append(IncrementalHash hash, DocumentGroup group)
    {
        Span<byte> length = stackalloc byte[sizeof(int)];
        for (var document = 0; document < group.DocumentCount; document++)
        {
            var ids = group.Document(document);
            BinaryPrimitives.WriteInt32LittleEndian(length, ids.Length);
            hash.AppendData(length);

            // Ids lie in memory as the hash wants them: .NET's supported processors are little-endian.
            hash.AppendData(MemoryMarshal.AsBytes(ids));
        }
    }
}
