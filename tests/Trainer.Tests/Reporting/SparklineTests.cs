using KvShiftScale.Core.Text;

namespace KvShiftScale.Trainer.Tests.Reporting;

public sealed class SparklineTests
{
    [Theory]
    [InlineData(new double[0], "")]
    [InlineData(new[] { 3.0 }, "▁")]
    [InlineData(new[] { 2.0, 2, 2 }, "▁▁▁")]
    [InlineData(new[] { 0.0, 1, 2, 3, 4, 5, 6, 7 }, "▁▂▃▄▅▆▇█")]
    [InlineData(new[] { 7.0, double.NaN, 0 }, "█▁")]
    [InlineData(new[] { 0.0, 0, 6, 8, 0, 0, 14, 14, 0, 0, 7, 7, 7, 7, 7, 7 }, "▁▅▁█▁▅▅▅")]
    public void CurveIsDrawnInEightHeights(double[] values, string expected) => Assert.Equal(expected, Sparkline.Draw(values, width: 8));
}
