using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Tests.Reporting;

public sealed class RunEnvironmentTests
{
    [Theory]
    [InlineData("processor\t: 0\nmodel name\t: AMD EPYC 7B13\nflags\t: a: b\nprocessor\t: 1\nmodel name\t: other\n", "AMD EPYC 7B13")]
    [InlineData("processor : 0\nBogoMIPS : 50.00\nModel : Raspberry Pi 5\n", "Raspberry Pi 5")]
    [InlineData("processor : 0\n", null)]
    [InlineData("", null)]
    public void ProcessorIsReadFromTheSystemsText(string cpuInfo, string? processor) =>
        Assert.Equal(processor, RunEnvironment.ProcessorOf(cpuInfo));

    [Fact]
    public void RowsLeaveOutWhatIsUnknown()
    {
        var environment = RunEnvironment.OfThisProcess(ranks: 2, threadsPerRank: 1, "1.13.1", commit: null, cpuInfo: null);

        var rows = environment.Rows().ToDictionary(row => row.Name, row => row.Value);

        Assert.Equal("2", rows["Ranks"]);
        Assert.Equal("1", rows["Threads per rank"]);
        Assert.Equal("1.13.1", rows["libtorch"]);
        Assert.StartsWith(".NET 10.", rows[".NET"]);
        Assert.DoesNotContain("Commit", rows.Keys);
        Assert.DoesNotContain("Processor", rows.Keys);
    }
}
