using System.Runtime.InteropServices;
using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Parallel.Kernels;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.BadNumbers;

/// <summary>
/// A hash of a tensor's bytes, to compare copies that should have the same bits. Eight bytes at a time are mixed with their place,
/// one-to-one, and summed, so that one changed element always changes the hash.
/// </summary>
internal static class ReplicaHash
{
    // Odd and without structure: the golden ratio's.
    private const ulong PlaceFactor = 0x9E3779B97F4A7C15;

    // Spans end at 2 GiB; pieces of this size also divide the work among threads.
    private const long PieceBytes = 8L << 20;

    /// <summary>The hash of a contiguous tensor in host memory.</summary>
    public static ulong Of(Tensor values)
    {
        var bytes = values.numel() * ByteSizeOf(values.dtype);
        if (bytes == 0)
        {
            return 0;
        }

        var address = TensorMemory.Address(values);
        var sums = new ulong[(bytes + PieceBytes - 1) / PieceBytes];
        if (sums.Length == 1)
        {
            return OfPiece(address, 0, bytes);
        }

        System.Threading.Tasks.Parallel.For(0, sums.Length, new ParallelOptions { MaxDegreeOfParallelism = get_num_threads() },
            piece => sums[piece] = OfPiece(address, piece * PieceBytes, Math.Min(PieceBytes, bytes - piece * PieceBytes)));
        return sums.Aggregate(0UL, (sum, part) => unchecked(sum + part));
    }

    /// <summary>Bytes of an element of parameters or moments.</summary>
    public static long ByteSizeOf(ScalarType type) => type switch
    {
        ScalarType.Float64 => 8,
        ScalarType.Float32 => 4,
        ScalarType.BFloat16 => 2,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "parameters are fp64, fp32 or bf16"),
    };

    private static unsafe ulong OfPiece(nint address, long begin, long length)
        => OfPiece(new ReadOnlySpan<byte>((void*)(address + begin), (int)length), begin);

    /// <summary>The part of a hash that bytes from <paramref name="begin"/> on, a multiple of 8, contribute.</summary>
    internal static ulong OfPiece(ReadOnlySpan<byte> bytes, long begin)
    {
        unchecked
        {
            var (sum, seat) = (0UL, (ulong)(begin / sizeof(ulong)) * PlaceFactor);
            foreach (var word in MemoryMarshal.Cast<byte, ulong>(bytes))
            {
                sum += ElementHash.Mix(word + seat);
                seat += PlaceFactor;
            }
            var rest = bytes[(bytes.Length / sizeof(ulong) * sizeof(ulong))..];
            if (rest.Length == 0)
            {
                return sum;
            }

            var last = 0UL;
            foreach (var value in rest)
            {
                last = last << 8 | value;
            }

            return sum + ElementHash.Mix(last + seat);
        }
    }
}
