using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;

namespace KvShiftScale.Trainer.BadNumbers;

/// <summary>
/// Numbers on which all ranks decide together. Ranks compute them from sums that are alike, but a rank whose memory is at fault would
/// decide alone, and the others would wait for it for ever.
/// </summary>
internal static class JointNumber
{
    /// <summary>The largest over all ranks of each number, bit for bit. What is neither finite nor infinity is NaN, and larger. Collective.</summary>
    public static void Agree(ProcessGroup world, Span<double> numbers)
    {
        Span<long> places = stackalloc long[numbers.Length];
        for (var i = 0; i < numbers.Length; i++)
        {
            places[i] = PlaceOf(numbers[i]);
        }

        world.Max(places);
        for (var i = 0; i < numbers.Length; i++)
        {
            numbers[i] = BitConverter.Int64BitsToDouble(places[i] >= 0 ? places[i] : long.MinValue - places[i]);
        }
    }

    /// <summary>Integers in the order of the numbers; every number that is none is the same and the largest.</summary>
    internal static long PlaceOf(double number)
    {
        // Processors make them with the sign set, which would put them first.
        if (double.IsNaN(number) || double.IsNegativeInfinity(number))
        {
            return 0x7FF8_0000_0000_0000;
        }

        var bits = BitConverter.DoubleToInt64Bits(number);
        return bits >= 0 ? bits : long.MinValue - bits;
    }
}
