using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text;
using KvShiftScale.Parallel.Parameters;

namespace KvShiftScale.Checkpoints.Manifests;

/// <summary>
/// A hash of tensors that does not depend on how their elements are divided among ranks and files: each element's bits are mixed with
/// the tensor's name and the element's place in the whole tensor, and the results are summed modulo 2^64. Mixing is one-to-one, so one
/// changed element always changes the sum. It finds accidents, not intent; files have SHA-256 beside it.
/// </summary>
public static class ElementHash
{
    // Odd constants without structure: the golden ratio's and those of the finaliser of MurmurHash3 (Appleby, public domain).
    private const ulong PlaceFactor = 0x9E3779B97F4A7C15;
    private const ulong FirstFactor = 0xFF51AFD7ED558CCD;
    private const ulong SecondFactor = 0xC4CEB9FE1A85EC53;

    // FNV-1a.
    private const ulong TextStart = 0xCBF29CE484222325;
    private const ulong TextFactor = 0x100000001B3;

    /// <summary>What stands for a tensor's name.</summary>
    public static ulong OfName(string name)
    {
        var hash = TextStart;
        foreach (var letter in Encoding.UTF8.GetBytes(name))
        {
            hash = unchecked((hash ^ letter) * TextFactor);
        }

        return Mix(hash);
    }

    /// <summary>Sum over packed elements.</summary>
    /// <param name="name">From <see cref="OfName"/>.</param>
    /// <param name="runs">Where in the whole tensor the packed elements belong.</param>
    /// <param name="first">First of them that <paramref name="packed"/> has.</param>
    /// <param name="packed">Elements of 4 or 8 bytes, little-endian.</param>
    /// <param name="elementByteCount">Bytes of an element.</param>
    public static ulong Of(ulong name, ElementRuns runs, long first, ReadOnlySpan<byte> packed, int elementByteCount)
    {
        var sum = 0UL;
        foreach (var part in runs.Part(first, packed.Length / elementByteCount))
        {
            for (var run = 0L; run < part.Count; run++)
            {
                var bytes = checked((int)(part.Length * elementByteCount));
                sum = unchecked(sum + OfRun(name, part.Start + run * part.Stride, packed[..bytes], elementByteCount));
                packed = packed[bytes..];
            }
        }
        return sum;
    }

    private static ulong OfRun(ulong name, long place, ReadOnlySpan<byte> elements, int elementByteCount)
    {
        var sum = 0UL;
        unchecked
        {
            var seat = name + (ulong)place * PlaceFactor;
            switch (elementByteCount)
            {
                case 8:
                    foreach (var bits in MemoryMarshal.Cast<byte, ulong>(elements))
                    {
                        sum += Mix(bits + seat);
                        seat += PlaceFactor;
                    }
                    return sum;
                case 4:
                    var singles = MemoryMarshal.Cast<byte, uint>(elements);
                    if (Vector512.IsHardwareAccelerated && singles.Length >= Vector512<uint>.Count)
                    {
                        sum = OfVectors(ref singles, ref seat);
                    }

                    foreach (var bits in singles)
                    {
                        sum += Mix(bits + seat);
                        seat += PlaceFactor;
                    }
                    return sum;
                default:
                    throw new ArgumentOutOfRangeException(nameof(elementByteCount), elementByteCount, "elements of a checkpoint have 4 or 8 bytes");
            }
        }
    }

    // The same sum, sixteen elements at a time; what is left of them stays for the caller.
    private static ulong OfVectors(ref ReadOnlySpan<uint> elements, ref ulong seat)
    {
        unchecked
        {
            var places = Vector512.Create(0UL, 1, 2, 3, 4, 5, 6, 7) * PlaceFactor;
            var (low, high) = (places + Vector512.Create(seat), places + Vector512.Create(seat + 8 * PlaceFactor));
            var (step, sum) = (Vector512.Create(16 * PlaceFactor), Vector512<ulong>.Zero);
            var vectors = MemoryMarshal.Cast<uint, Vector512<uint>>(elements);
            foreach (var bits in vectors)
            {
                var (lower, upper) = Vector512.Widen(bits);
                sum += Mix(lower + low) + Mix(upper + high);
                (low, high) = (low + step, high + step);
            }
            seat += (ulong)vectors.Length * 16 * PlaceFactor;
            elements = elements[(vectors.Length * 16)..];
            return Vector512.Sum(sum);
        }
    }

    private static Vector512<ulong> Mix(Vector512<ulong> x)
    {
        x = (x ^ (x >>> 33)) * FirstFactor;
        x = (x ^ (x >>> 33)) * SecondFactor;
        return x ^ (x >>> 33);
    }

    /// <summary>Mixes all bits of a number with each other, one-to-one.</summary>
    public static ulong Mix(ulong x)
    {
        unchecked
        {
            x = (x ^ x >> 33) * FirstFactor;
            x = (x ^ x >> 33) * SecondFactor;
            return x ^ x >> 33;
        }
    }
}
