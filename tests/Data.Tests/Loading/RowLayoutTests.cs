using KvShiftScale.Data.Loading;

namespace KvShiftScale.Data.Tests.Loading;

public sealed class RowLayoutTests
{
    [Fact]
    public void DocumentsStandAloneWithTheMask()
    {
        var (inputs, targets, positions) = (new int[6], new int[6], new int[6]);

        // Documents 10 11 | 20 | 30 31 32 | 40; the last one begins with the row's last target.
        var valid = RowLayout.Fill([10, 11, 20, 30, 31, 32, 40], [2, 3, 6], documentMask: true, inputs, targets, positions);

        Assert.Equal([10, 11, 20, 30, 31, 32], inputs);
        Assert.Equal([11, -100, -100, 31, 32, -100], targets);
        Assert.Equal([0, 1, 0, 0, 1, 2], positions);
        Assert.Equal(3, valid);
    }

    [Fact]
    public void RowIsOneWindowWithoutTheMask()
    {
        var (inputs, targets, positions) = (new int[3], new int[3], new int[3]);

        var valid = RowLayout.Fill([10, 11, 20, 21], [2], documentMask: false, inputs, targets, positions);

        Assert.Equal([10, 11, 20], inputs);
        Assert.Equal([11, 20, 21], targets);
        Assert.Equal([0, 1, 2], positions);
        Assert.Equal(3, valid);
    }
}
