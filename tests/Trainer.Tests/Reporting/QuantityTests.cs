using KvShiftScale.Core.Text;

namespace KvShiftScale.Trainer.Tests.Reporting;

public sealed class QuantityTests
{
    [Theory]
    [InlineData(768, "768")]
    [InlineData(128_860, "128,860")]
    [InlineData(26_872_864, "26.87 M")]
    [InlineData(19_011_803_904, "19.01 B")]
    [InlineData(18e12, "18.00 T")]
    public void CountsHaveBForABillion(double value, string text) => Assert.Equal(text, Quantity.Count(value));

    [Theory]
    [InlineData(0, "0.0s")]
    [InlineData(4.2, "4.2s")]
    [InlineData(42, "42s")]
    [InlineData(192, "3m 12s")]
    [InlineData(18_420, "5h 07m")]
    [InlineData(187_200, "2d 04h")]
    [InlineData(double.NaN, "-")]
    [InlineData(double.PositiveInfinity, "-")]
    [InlineData(1e300, "-")]
    public void Durations(double seconds, string text) => Assert.Equal(text, Quantity.Duration(seconds));

    [Theory]
    [InlineData(999, "999")]
    [InlineData(12_345, "12.3 k")]
    [InlineData(4_560_000, "4.56 M")]
    [InlineData(7_890_000_000, "7.89 G")]
    public void Counts(double value, string text) => Assert.Equal(text, Quantity.Short(value));

    [Theory]
    [InlineData(512, "512 B")]
    [InlineData(1536, "1.5 KiB")]
    [InlineData(834_000_000, "795 MiB")]
    [InlineData(3.25 * 1024 * 1024 * 1024, "3.25 GiB")]
    public void Bytes(double count, string text) => Assert.Equal(text, Quantity.Bytes(count));

    [Theory]
    [InlineData(6.12341, "6.1234")]
    [InlineData(double.NaN, "NaN")]
    public void Losses(double loss, string text) => Assert.Equal(text, Quantity.Loss(loss));
}
