using KvShiftScale.Checkpoints.Folders;
using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Checkpoints.Safetensors;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Testing;

namespace KvShiftScale.Checkpoints.Tests.Folders;

public sealed class CheckpointPartTests : IDisposable
{
    private static readonly CheckpointPart Empty = new(null, []);

    private static readonly CheckpointPart Part = new(new CheckpointFile("a.bin", 3, "00"),
        [new CheckpointTensor("w", SafetensorsType.F32, [3, 4], [new TensorSlice("a.bin", "w@0", new ElementRuns(1, 2, 4, 3), ulong.MaxValue)])]);

    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void PartsComeAsTheyWereLeftAndLeaveTheDraft()
    {
        File.WriteAllBytes(_temporary.PathOf("a.bin"), [1, 2, 3]);
        Part.Leave(_temporary.Path, 0);
        Empty.Leave(_temporary.Path, 1);

        var parts = TakeAll(2, seconds: 1);

        Assert.Equivalent(Part, parts[0], strict: true);
        Assert.Null(parts[1].File);
        Assert.Equal(["a.bin"], Directory.GetFiles(_temporary.Path).Select(path => Path.GetFileName(path)));
    }

    [Fact]
    public async Task WhatBecomesVisibleLateIsWaitedFor()
    {
        File.WriteAllBytes(_temporary.PathOf("a.bin"), [1]);
        Empty.Leave(_temporary.Path, 0);
        var late = Task.Run(async () =>
        {
            // A moment each, so that every wait is met; nothing depends on how long they are.
            await Task.Delay(100);
            Part.Leave(_temporary.Path, 1);
            await Task.Delay(100);
            File.AppendAllText(_temporary.PathOf("a.bin"), "23");
        });

        var parts = TakeAll(2, seconds: 60);

        await late;
        Assert.Equal("a.bin", parts[1].File!.Name);
    }

    [Theory]
    [InlineData(true, "a.bin, which rank 1 has written")]
    [InlineData(false, "rank-00001.part, which rank 1 has written")]
    public void WhatNeverBecomesVisibleIsNamed(bool hasPart, string named)
    {
        Empty.Leave(_temporary.Path, 0);
        if (hasPart)
        {
            Part.Leave(_temporary.Path, 1);
        }

        var error = Assert.Throws<IOException>(() => TakeAll(2, seconds: 0.05));

        Assert.StartsWith(_temporary.Path, error.Message);
        Assert.Contains(named, error.Message);
        Assert.Contains("run.visibility_seconds", error.Message);
    }

    [Fact]
    public void AFolderThatIsGoneIsNotWaitedFor()
        => Assert.Contains("is gone", Assert.Throws<DirectoryNotFoundException>(
            () => CheckpointPart.TakeAll(_temporary.PathOf("draft"), 1, TimeSpan.FromMinutes(5), CancellationToken.None)).Message);

    [Fact]
    public void WaitingEndsWhenItIsStopped()
    {
        using var stop = new CancellationTokenSource(millisecondsDelay: 20);

        Assert.Throws<OperationCanceledException>(() => CheckpointPart.TakeAll(_temporary.Path, 1, TimeSpan.FromMinutes(5), stop.Token));
    }

    private IReadOnlyList<CheckpointPart> TakeAll(int ranks, double seconds)
        => CheckpointPart.TakeAll(_temporary.Path, ranks, TimeSpan.FromSeconds(seconds), CancellationToken.None);
}
