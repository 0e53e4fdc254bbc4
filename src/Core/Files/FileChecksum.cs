using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using KvShiftScale.Core.Faults;
using KvShiftScale.Core.Progress;
using Microsoft.Win32.SafeHandles;

namespace KvShiftScale.Core.Files;

/// <summary>
/// The checksum of a large file: SHA-256 over the CRC-32C of its pieces, so that several threads can share the work, and a processor that
/// has an instruction for it takes less time than for copying. One changed bit, and any others that are less than 32 apart, always change it.
/// It finds accidents, not intent.
/// </summary>
public static class FileChecksum
{
    // A part at a time that stays in the cache between reading and hashing.
    private const int PartBytes = 512 << 10;

    /// <summary>Bytes of each piece but the last.</summary>
    public const int PieceBytes = 4 << 20;

    /// <summary>Pieces of a file.</summary>
    public static long PieceCount(long byteCount) => (byteCount + PieceBytes - 1) / PieceBytes;

    /// <summary>CRC-32C of what came before and of what comes now.</summary>
    /// <param name="before">0 where nothing came before.</param>
    /// <param name="bytes">What comes now.</param>
    public static uint Append(uint before, ReadOnlySpan<byte> bytes)
    {
        var crc = ~before;
        foreach (var word in MemoryMarshal.Cast<byte, ulong>(bytes))
        {
            crc = BitOperations.Crc32C(crc, word);
        }

        foreach (var rest in bytes[(bytes.Length / sizeof(ulong) * sizeof(ulong))..])
        {
            crc = BitOperations.Crc32C(crc, rest);
        }

        return ~crc;
    }

    /// <summary>The checksum in hexadecimal digits.</summary>
    /// <param name="pieces">CRC-32C of each piece.</param>
    public static string Of(ReadOnlySpan<uint> pieces)
    {
        var bytes = new byte[pieces.Length * sizeof(uint)];
        for (var i = 0; i < pieces.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * sizeof(uint)), pieces[i]);
        }

        return Convert.ToHexStringLower(SHA256.HashData(bytes));
    }

    /// <summary>The checksum of a file, read by several threads.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="InvalidDataException">It becomes shorter meanwhile.</exception>
    public static string OfFile(string path)
    {
        InjectedFaults.Reach("file.checksum");
        using var file = File.OpenHandle(path);
        var length = RandomAccess.GetLength(file);
        var pieces = new uint[PieceCount(length)];
        Crew.Share(Environment.ProcessorCount, pieces.Length, piece =>
        {
            var begin = piece * PieceBytes;
            pieces[piece] = OfPiece(file, path, begin, (int)Math.Min(PieceBytes, length - begin));
        });
        return Of(pieces);
    }

    /// <summary>SHA-256 of a whole file, in hexadecimal digits.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static string Sha256OfFile(string path)
    {
        using var file = File.OpenHandle(path, options: FileOptions.SequentialScan);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = ArrayPool<byte>.Shared.Rent(PartBytes);
        try
        {
            for (var done = 0L; ;)
            {
                RunProgress.Advance();
                var read = RandomAccess.Read(file, buffer, done);
                if (read == 0)
                {
                    return Convert.ToHexStringLower(hash.GetHashAndReset());
                }

                hash.AppendData(buffer, 0, read);
                done += read;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static uint OfPiece(SafeFileHandle file, string path, long begin, int count)
    {
        var crc = 0U;
        var buffer = ArrayPool<byte>.Shared.Rent(PartBytes);
        try
        {
            for (var done = 0; done < count;)
            {
                // A large checkpoint takes minutes.
                RunProgress.Advance();
                var read = RandomAccess.Read(file, buffer.AsSpan(0, Math.Min(PartBytes, count - done)), begin + done);
                if (read == 0)
                {
                    throw new InvalidDataException($"{path}: ends at byte {begin + done}, {count - done} bytes of a piece too early.");
                }

                crc = Append(crc, buffer.AsSpan(0, read));
                done += read;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return crc;
    }
}
