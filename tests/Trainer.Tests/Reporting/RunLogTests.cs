using System.Globalization;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Tests.Reporting;

/// <summary>log.txt of a run.</summary>
public sealed class RunLogTests
{
    private readonly List<string> _warnings = [];

    [Fact]
    public void WhatIsSaidBeforeTheFolderIsThereIsNotLostAndLaunchesFollowEachOther()
    {
        using var folder = new TemporaryFolder();
        foreach (var launch in (string[])["one", "two"])
        {
            using var log = new RunLog(_warnings.Add, TimeProvider.System);
            log.Add($"{launch}: before");
            log.Open(folder.PathOf("log.txt"));
            log.Add($"{launch}: after");
        }

        var lines = File.ReadAllLines(folder.PathOf("log.txt"));
        Assert.Equal(["one: before", "one: after", "two: before", "two: after"], lines.Select(line => line[20..]));
        Assert.All(lines, line => DateTime.ParseExact(line[..19], "yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture));
        Assert.Empty(_warnings);
    }

    [Fact]
    public void ADiskThatRefusesIsToldOnce()
    {
        using var folder = new TemporaryFolder();
        using var log = new RunLog(_warnings.Add, TimeProvider.System);

        log.Open(folder.PathOf("missing", "log.txt"));
        log.Add("lost");
        log.Add("lost too");

        Assert.Contains("the log is no longer written", Assert.Single(_warnings));
    }
}
