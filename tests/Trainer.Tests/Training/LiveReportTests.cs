using KvShiftScale.Trainer.Training;

namespace KvShiftScale.Trainer.Tests.Training;

/// <summary>The report while a run goes on.</summary>
public sealed class LiveReportTests
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(120);
    private readonly Clock _clock = new();
    private readonly List<long> _written = [];
    private readonly List<string> _warnings = [];

    [Theory]
    // Seconds since the launch began, whether the step is saved, whether a report is due.
    [InlineData(119, false, false)]
    [InlineData(120, false, true)]
    [InlineData(9, true, false)]
    [InlineData(10, true, true)]
    public void ItIsDueAfterAWhileAndAfterSaves(int seconds, bool isSaved, bool isDue)
    {
        var report = new LiveReport(state => _written.Add(state.Step), Every, _clock, _warnings.Add);
        _clock.Seconds = seconds;

        report.WriteIfDue(At(7), isSaved);
        report.Finish();

        Assert.Equal(isDue ? [7L] : [], _written);
    }

    [Fact]
    public void TrainingDoesNotWaitForOneThatIsBeingWritten()
    {
        using var gate = new ManualResetEventSlim();
        var report = new LiveReport(state =>
        {
            gate.Wait();
            _written.Add(state.Step);
        }, Every, _clock, _warnings.Add);
        _clock.Seconds = 120;
        report.WriteIfDue(At(1), isSaved: false);
        _clock.Seconds = 240;
        report.WriteIfDue(At(2), isSaved: false);
        gate.Set();
        report.Finish();

        Assert.Equal([1L], _written);
    }

    [Fact]
    public void WhatTheDiskRefusesIsAWarningAndTheNextOneIsTried()
    {
        var report = new LiveReport(state =>
        {
            _written.Add(state.Step);
            throw new IOException("disk full");
        }, Every, _clock, _warnings.Add);
        foreach (var step in (int[])[1, 2])
        {
            _clock.Seconds += 120;
            report.WriteIfDue(At(step), isSaved: false);
            report.Finish();
        }

        Assert.Equal([1L, 2L], _written);
        Assert.All(_warnings, warning => Assert.Contains("disk full", warning));
        Assert.Equal(2, _warnings.Count);
    }

    private static TrainingState At(long step) => new() { Step = step, Tokens = 0, Loader = null };

    private sealed class Clock : TimeProvider
    {
        public double Seconds { get; set; }

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => (long)(Seconds * 1000);
    }
}
