using KvShiftScale.Core;
using KvShiftScale.Parallel.Native;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Liveness;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>The same training on Open MPI and on MPICH, and launches that fit neither.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class MpiTests(TrainingFixture fixture)
{
    private const double LossBound = 1e-6;

    [Fact]
    public void OneAndTwoRanksOfEitherMpiHaveTheSameLosses()
    {
        var runs = new List<(string Name, double[] Losses)> { ("alone", LossesOf(null, 1)) };
        foreach (var mpi in Enum.GetValues<MpiFlavor>())
        {
            foreach (var ranks in (int[])[1, 2])
            {
                runs.Add(($"{ranks} of {mpi.Title}", LossesOf(mpi, ranks)));
            }
        }

        foreach (var (name, losses) in runs)
        {
            Assert.Equal(12, losses.Length);
            foreach (var (wanted, found) in runs[0].Losses.Zip(losses))
            {
                Assert.True(Math.Abs(wanted - found) <= LossBound * Math.Abs(wanted), $"{name}: loss {found:R}, wanted {wanted:R} of one process");
            }
        }

        double[] LossesOf(MpiFlavor? mpi, int ranks)
        {
            var name = $"twelve-{mpi?.Key ?? "alone"}-{ranks}";
            string[] settings = ["run.steps=12", "run.validate_every=0", "run.checkpoint_every=0"];
            if (mpi is null)
            {
                return [.. fixture.Train(name, settings).Records.Select(record => record.Loss)];
            }

            MpiRun.Execute(ranks, ProgramRun.KvShift, fixture.TrainArguments(name, settings), mpi: mpi);
            return [.. fixture.RunOf(name).Records.Select(record => record.Loss)];
        }
    }

    [Theory]
    [InlineData(MpiFlavor.OpenMpi, MpiFlavor.Mpich)]
    [InlineData(MpiFlavor.Mpich, MpiFlavor.OpenMpi)]
    public void AnotherMpiThanTheLaunchersIsRefusedBeforeTheRunIsTouched(MpiFlavor launcher, MpiFlavor named)
    {
        var name = $"refused-{launcher.Key}";
        var output = MpiRun.Execute(2, ProgramRun.KvShift, fixture.TrainArguments(name), ExitCode.Usage, mpi: launcher,
            variables: new Dictionary<string, string> { [MpiLibrary.Variable] = named.Key });

        Assert.Contains($"kvshift: found KVSHIFT_MPI={named.Key} in a launch by {launcher.Title} (", output, StringComparison.Ordinal);
        Assert.False(Directory.Exists(fixture.RunOf(name).Path));
    }

    // The other rank waits for the one that is gone, which only the launcher and the watch can know.
    [Theory]
    [InlineData(MpiFlavor.OpenMpi)]
    [InlineData(MpiFlavor.Mpich)]
    public void ARankThatDiesEndsTheLaunch(MpiFlavor mpi)
    {
        var name = $"died-{mpi.Key}";
        using var run = MpiRun.Start(MpiLauncher.Find(mpi), 2, ProgramRun.KvShift, fixture.TrainArguments(name),
            new Dictionary<string, string> { ["KVSHIFT_INJECT"] = "kill@step:5,rank=1" });

        Assert.NotEqual(0, run.WaitForExit());
        var words = fixture.RunOf(name).PathOf(LastWords.FileName);
        // The launcher leaves the other rank a second or none to say so.
        Assert.All(File.Exists(words) ? File.ReadAllLines(words) : [],
            line => Assert.Matches(@"rank 1 on \S+, process \d+: phase \w+, step \d+: it died without a word", line));
    }

    [Theory]
    [InlineData(MpiFlavor.OpenMpi)]
    [InlineData(MpiFlavor.Mpich)]
    public void ARankThatFailsIsNamedAndEndsTheLaunchWithOne(MpiFlavor mpi)
    {
        var name = $"failed-{mpi.Key}";
        using var run = MpiRun.Start(MpiLauncher.Find(mpi), 2, ProgramRun.KvShift, fixture.TrainArguments(name),
            new Dictionary<string, string> { ["KVSHIFT_INJECT"] = "throw@step:5,rank=1" });

        Assert.Equal(ExitCode.Failed, run.WaitForExit());
        var words = fixture.RunOf(name).PathOf(LastWords.FileName);
        Assert.Matches(@"rank 1 on \S+, process \d+: phase data, step 5: injected fault at step$", Assert.Single(File.ReadAllLines(words)));
        Assert.Contains("kvshift (rank 1): injected fault at step", run.Output, StringComparison.Ordinal);
        Assert.InRange(DateTime.UtcNow - File.GetLastWriteTimeUtc(words), TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }
}
