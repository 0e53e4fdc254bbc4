using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace KvShiftScale.Data.Shards;

/// <summary>SHA-256 over each document's length and then its ids, all as little-endian int32: what documents are, however they are stored.</summary>
internal sealed class DocumentHash : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public void Append(ReadOnlySpan<int> document)
    {
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, document.Length);
        _hash.AppendData(length);

        // Ids lie in memory as the hash wants them: .NET's supported processors are little-endian.
        _hash.AppendData(MemoryMarshal.AsBytes(document));
    }

    /// <summary>The hash in lower-case hexadecimal; the next document begins another.</summary>
    public string Finish() => Convert.ToHexStringLower(_hash.GetHashAndReset());

    public void Dispose() => _hash.Dispose();
}
