using KvShiftScale.Trainer.BadNumbers;

namespace KvShiftScale.Trainer.Tests.BadNumbers;

public sealed class JointNumberTests
{
    [Fact]
    public void IntegersHaveTheOrderOfTheNumbersAndNaNIsLast()
    {
        double[] ascending = [-1e300, -2, -double.Epsilon, 0, double.Epsilon, 1, 1.0000000000000002, 1e300, double.PositiveInfinity, double.NaN];

        Assert.Equal(ascending, ascending.OrderBy(JointNumber.PlaceOf));
        Assert.Equal(ascending.Length, ascending.Select(JointNumber.PlaceOf).Distinct().Count());
    }

    [Fact]
    public void EveryNaNIsTheSameWhateverItsSign()
        => Assert.Single(((double[])[double.NaN, -double.NaN, BitConverter.Int64BitsToDouble(unchecked((long)0xFFF8000000000001)), double.NegativeInfinity])
            .Select(JointNumber.PlaceOf).Distinct());
}
