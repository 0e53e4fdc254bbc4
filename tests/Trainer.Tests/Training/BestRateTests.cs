using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Trainer.Training;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Tests.Training;

public sealed class BestRateTests
{
    [Fact]
    public void ShareIsOfTheBestMeasurementSoFar()
    {
        var clock = new Clock();
        var measured = new Queue<double>([100, 400, 50]);
        var rate = new BestRate(measured.Dequeue, clock);

        // The first second was a busy one.
        rate.MeasureIfDue();
        Assert.Equal(0.8, rate.ShareOf(80));
        rate.MeasureIfDue();
        Assert.Equal(2, measured.Count);
        clock.Advance(TimeSpan.FromSeconds(61));
        rate.MeasureIfDue();
        Assert.Equal(0.2, rate.ShareOf(80));
        clock.Advance(TimeSpan.FromSeconds(61));
        rate.MeasureIfDue();
        Assert.Equal(0.2, rate.ShareOf(80));
        Assert.Empty(measured);
    }

    [Fact]
    public void SlowProductIsMeasuredLessOften()
    {
        var clock = new Clock();
        var measurements = 0;
        var rate = new BestRate(() =>
        {
            measurements++;
            clock.Advance(TimeSpan.FromSeconds(3));
            return 100;
        }, clock);

        for (var second = 0; second < 3600; second++)
        {
            rate.MeasureIfDue();
            clock.Advance(TimeSpan.FromSeconds(1));
        }

        // Every half an hour.
        Assert.Equal(2, measurements);
    }

    [Theory]
    [InlineData(306)]
    [InlineData(100.001)]
    [InlineData(1e12)]
    public void StepThatIsFasterThanTheProductIsTheBestRate(double flops)
    {
        var rate = new BestRate(() => 100, new Clock());
        rate.MeasureIfDue();

        Assert.Equal(1, rate.ShareOf(flops));
        Assert.Equal(50 / flops, rate.ShareOf(50));
        Assert.InRange(rate.ShareOf(flops * 0.999)!.Value, 0, 1);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(-1)]
    public void WhatIsNoRateHasNoShare(double flops)
    {
        var rate = new BestRate(() => 100, new Clock());
        rate.MeasureIfDue();

        Assert.Null(rate.ShareOf(flops));
        Assert.Equal(100, rate.FlopsPerSecond);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float64)]
    public void ProductOfThisMachineIsMeasured(ScalarType type)
    {
        using var parameters = new ParameterBuckets(ComputeDevice.Host(type), bucketBytes: 1024);
        var rate = BestRate.Of(parameters);

        rate.MeasureIfDue();

        // Between a hundredth of an old core's and more than any machine's.
        Assert.InRange(rate.FlopsPerSecond, 1e7, 1e15);
    }

    private sealed class Clock : TimeProvider
    {
        private long _ticks = 1;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;

        public void Advance(TimeSpan time) => _ticks += time.Ticks;
    }
}
