using KvShiftScale.Core;
using KvShiftScale.Core.Progress;
using KvShiftScale.Trainer.Launch;

namespace KvShiftScale.Trainer.Tests.Faults;

public sealed class FaultReportTests : IDisposable
{
    public void Dispose() => RunProgress.Enter(RunPhase.Loading);

    [Theory]
    [InlineData("Loading", ExitCode.Usage)]
    [InlineData("Data", ExitCode.Failed)]
    [InlineData("Report", ExitCode.Failed)]
    public void AFileThatIsMissingIsTheUsersFaultBeforeTrainingOnly(string phase, int exitCode)
    {
        RunProgress.Enter(Enum.Parse<RunPhase>(phase));

        Assert.Equal(exitCode, FaultReport.ExitCodeOf(new FileNotFoundException()));
        Assert.Equal(ExitCode.Usage, FaultReport.ExitCodeOf(new UsageException("found x; wanted y")));
        Assert.Equal(ExitCode.Failed, FaultReport.ExitCodeOf(new IOException()));
    }
}
