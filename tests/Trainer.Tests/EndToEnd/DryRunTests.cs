using KvShiftScale.Core;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary><c>train --dry-run</c>: what a run would be, from its configuration alone.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class DryRunTests(TrainingFixture fixture)
{
    [Fact]
    public void ThePapersLargestModelIsShownWithoutItsWeights()
    {
        // The system refuses it more memory than 500 MB, touched or not, and ends it after 10 s of computing; 0.3 s and 45 MB resident are what it
        // takes. The weights alone would be 76 GB.
        using var run = ProgramRun.StartFile("bash",
            ["-c", "ulimit -d 500000 -t 10 && exec \"$@\"", "limited", "dotnet", ProgramRun.KvShift, "train", RepositoryFile("configs", "19b.yaml"), "--dry-run"]);
        run.WaitFor(ExitCode.Done);

        var lines = run.Output.Split('\n').Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries))).ToArray();
        Assert.Contains("layers 48: 48 query heads, 4 kv heads, head size 128", lines);
        Assert.Contains("self_attn.k_proj, v_proj all 96 512 x 6,144 301,989,888", lines);
        Assert.Contains(lines, line => line.StartsWith("shift scalars 768 768 ", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("total 19,011,803,904 19.01 B ", StringComparison.Ordinal));
        // 4 + 4 + 8 bytes a parameter, and 12 of the copy that is saved, by 2^30.
        Assert.Contains("fp32 (this run) 70.8 GiB 70.8 GiB 142 GiB 212 GiB 496 GiB", lines);
        Assert.Contains("tokens a step 2,949,120: 240 sequences of 12,288", lines);
        Assert.Contains(lines, line => line.StartsWith("tokens 200,000,471,040", StringComparison.Ordinal));
        Assert.Contains("learning rate linear from 0 over 3,000 steps, then constant at 0.0002", lines);
        Assert.All(lines, line => Assert.InRange(line.Length, 0, 150));
    }

    [Fact]
    public void NothingIsReadOrWritten()
    {
        using var run = ProgramRun.Execute(ExitCode.Done,
            [.. fixture.TrainArguments("never-run", $"data.train=[{fixture.PathOf("nowhere")}/*.parquet]", "data.tokenizer=nowhere"), "--dry-run", "--ranks", "4"]);

        Assert.Contains("dry run on 4 rank(s)", run.Output);
        Assert.Contains("1 micro batches of 1", run.Output);
        Assert.Equal("", run.Error);
        Assert.False(Directory.Exists(Path.Combine(fixture.RunsPath, "never-run")));
    }

    private static string RepositoryFile(params string[] names)
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "KvShiftScale.sln")))
        {
            directory = directory.Parent!;
        }

        return Path.Combine([directory.FullName, .. names]);
    }
}
