using KvShiftScale.Core.Faults;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Liveness;

namespace KvShiftScale.Trainer.Tests.Liveness;

public sealed class LivenessFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void AClaimIsMadeByOne()
    {
        var path = _folder.PathOf("claim");

        Assert.True(LivenessFolder.Claim(path, "launch"));
        Assert.False(LivenessFolder.Claim(path, "launch"));
        Assert.True(LivenessFolder.IsClaimed(path, "launch"));
        Assert.False(LivenessFolder.IsClaimed(path, "another"));
    }

    [Fact]
    public void AClaimThatTheDiskRefusesIsNobodys()
    {
        var path = _folder.PathOf("claim");
        InjectedFaults.Load("throw@liveness.write", rank: 0);
        try
        {
            Assert.Throws<IOException>(() => LivenessFolder.Claim(path, "launch"));
        }
        finally
        {
            InjectedFaults.Load("", rank: 0);
        }

        Assert.False(File.Exists(path));
        Assert.True(LivenessFolder.Claim(path, "launch"));
        Assert.Throws<DirectoryNotFoundException>(() => LivenessFolder.Claim(_folder.PathOf("gone", "claim"), "launch"));
    }

    // A rank of a killed launch goes on beating until it finds that its launcher is gone.
    [Fact]
    public void TheFolderIsClearedWhileSomebodyWritesToIt()
    {
        var folder = new LivenessFolder(_folder.Path);
        using var stopping = new CancellationTokenSource();
        var lingering = new Thread(() =>
        {
            for (var beat = 0; !stopping.IsCancellationRequested; beat = (beat + 1) % 400)
            {
                try
                {
                    File.WriteAllText(folder.HeartbeatOf(beat), "");
                }
                catch (IOException)
                {
                    // Not there at this moment.
                }
                // Bursts, as of a few ranks, with pauses.
                if (beat == 0)
                {
                    Thread.Sleep(15);
                }
            }
        });
        folder.Clear();
        lingering.Start();
        try
        {
            for (var launch = 0; launch < 50; launch++)
            {
                folder.Clear();
            }
        }
        finally
        {
            stopping.Cancel();
            lingering.Join();
        }
        Assert.True(Directory.Exists(folder.Path));
    }

    // Each opens the file for itself, as processes do.
    [Fact]
    public void WordsOfRanksThatFailTogetherAreAllKept()
    {
        const int Words = 2000;
        var ranks = Enumerable.Range(0, 8).Select(RankAddress.Own).ToArray();

        var speakers = ranks.Select(rank => new Thread(() =>
        {
            for (var word = 0; word < Words; word++)
            {
                LastWords.Append(_folder.Path, rank, $"word {word} of rank {rank.Rank} {new string('.', 1 + rank.Rank * 20)}");
            }
        })).ToArray();
        Array.ForEach(speakers, speaker => speaker.Start());
        Array.ForEach(speakers, speaker => speaker.Join());

        var lines = File.ReadAllLines(_folder.PathOf(LastWords.FileName));
        Assert.All(lines, line => Assert.Matches(@"^\S+ \S+ \S+ rank (\d) on \S+, process \d+: word \d+ of rank \1 \.*$", line));
        Assert.All(ranks, rank => Assert.Equal(Words, lines.Count(line => line.Contains($" of rank {rank.Rank} ", StringComparison.Ordinal))));
    }
}
