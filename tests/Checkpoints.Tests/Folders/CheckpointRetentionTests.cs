using KvShiftScale.Checkpoints.Folders;
using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Testing;

namespace KvShiftScale.Checkpoints.Tests.Folders;

/// <summary>Which folders of a run's <c>checkpoints</c> stay: only good ones count, and nothing that may be somebody's goes without a word.</summary>
public sealed class CheckpointRetentionTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();
    private readonly List<string> _told = [];

    private string Root => _temporary.PathOf("checkpoints");

    public void Dispose() => _temporary.Dispose();

    [Theory]
    [InlineData("flipped")]
    [InlineData("shortened")]
    [InlineData("file missing")]
    [InlineData("manifest cut")]
    public void ADamagedOneTakesNoPlaceOfAGoodOneAndIsNamed(string damage)
    {
        WriteAll(100, 200, 300, 400);
        Damage(300, damage);

        Later().Prune(2, warn: _told.Add);

        Assert.Equal(["latest", Name(200), Name(300), Name(400)], Names());
        Assert.StartsWith($"{PathOf(300)} is not a good checkpoint and does not count among those that stay: ", Assert.Single(_told), StringComparison.Ordinal);
    }

    [Fact]
    public void TheNewestDamagedOneTakesNoPlaceEither()
    {
        WriteAll(100, 200, 300, 400);
        Damage(400, "flipped");
        var folder = Later();

        // As a launch does that finds it and goes on from the one before.
        Assert.Equal(300, folder.FindNewestGood().Newest!.Step);
        folder.Prune(2, warn: _told.Add);

        Assert.Equal(["latest", Name(200), Name(300), Name(400)], Names());
        Assert.Empty(_told);
    }

    [Fact]
    public void WhatALaunchHasRejectedWhileItLoadedCountsNoMore()
    {
        WriteAll(100, 200, 300);
        var folder = Later();
        folder.MarkGood(100);
        folder.MarkDamaged(300, "tensor 'a' is changed");
        folder.MarkDamaged(200, "tensor 'b' is changed");

        folder.Prune(1, warn: _told.Add);

        Assert.Equal(["latest", Name(100), Name(200), Name(300)], Names());
    }

    [Fact]
    public void ADamagedOneGoesWithAWordWhenAsManyGoodOnesAreNewer()
    {
        WriteAll(100, 200, 300);
        Damage(200, "flipped");
        var folder = Later();
        folder.Prune(2, warn: _told.Add);
        _told.Clear();

        Write(folder, 400);
        folder.Prune(2, warn: _told.Add);

        Assert.Equal(["latest", Name(300), Name(400)], Names());
        Assert.StartsWith($"{PathOf(200)} was damaged (model.bin has another SHA-256 checksum", Assert.Single(_told), StringComparison.Ordinal);
        Assert.EndsWith("it is deleted", _told[0], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(500)]
    [InlineData(150)]
    public void ACompleteOneUnderTheNameOfAnotherStepStays(long step)
    {
        WriteAll(100, 200, 300, 400);
        Copy(PathOf(100), PathOf(step));
        var folder = Later();

        folder.Prune(2, warn: _told.Add);
        Write(folder, 600);
        Write(folder, 700);
        folder.Prune(2, warn: _told.Add);

        Assert.Equal([.. ((string[])["latest", Name(600), Name(700), Name(step)]).Order(StringComparer.Ordinal)], Names());
    }

    [Fact]
    public void WhatSomebodyKeepsThereStays()
    {
        WriteAll(100, 200);
        string[] own = ["notes", $"{Name(100)}-before-the-crash", "step-50", Name(50), $".{Name(60)}.partial.old"];
        foreach (var name in own)
        {
            Directory.CreateDirectory(Path.Combine(Root, name));
            File.WriteAllText(Path.Combine(Root, name, "precious.txt"), "mine");
        }

        File.WriteAllText(Path.Combine(Root, "readme.txt"), "mine");
        File.WriteAllText(Path.Combine(Root, Name(70)), "a file with the name of a checkpoint");

        Later().Prune(1, warn: _told.Add);

        Assert.Equal([.. own.Concat(["latest", "readme.txt", Name(70), Name(200)]).Order(StringComparer.Ordinal)], Names());
        Assert.All(own, name => Assert.Equal("mine", File.ReadAllText(Path.Combine(Root, name, "precious.txt"))));
    }

    [Fact]
    public void LinksStayAndDoNotCountAndWhatTheyPointToIsNotTouched()
    {
        WriteAll(100, 200, 300);
        var elsewhere = _temporary.PathOf("large-disk", Name(50));
        Directory.CreateDirectory(Path.GetDirectoryName(elsewhere)!);
        Directory.Move(PathOf(300), elsewhere);
        Directory.CreateSymbolicLink(PathOf(300), elsewhere);
        Directory.CreateSymbolicLink(PathOf(80), _temporary.PathOf("nowhere"));

        Later().Prune(1, warn: _told.Add);

        Assert.Equal(["latest", Name(80), Name(200), Name(300)], Names());
        Assert.True(File.Exists(Path.Combine(elsewhere, "manifest.json")));
        // It serves all the same.
        Assert.Equal(300, Later().FindNewestGood().Newest!.Step);
    }

    [Fact]
    public void HalfWrittenOnesAreDeletedOnceThereIsAGoodOne()
    {
        WriteAll(100);
        var folder = Later();
        foreach (var step in (long[])[50, 150])
        {
            Directory.CreateDirectory(folder.DraftPathOf(step));
            File.WriteAllText(Path.Combine(folder.DraftPathOf(step), "model.bin"), "half");
        }

        folder.Prune(1, warn: _told.Add);

        Assert.Equal(["latest", Name(100)], Names());
    }

    [Fact]
    public void MilestonesStayWithoutBeingReadInFull()
    {
        WriteAll(100, 150, 200, 250, 300);
        Damage(100, "flipped");

        Later().Prune(1, keepEvery: 100, warn: _told.Add);

        Assert.Equal(["latest", Name(100), Name(200), Name(300)], Names());
        Assert.Empty(_told);
    }

    [Theory]
    [InlineData("other step")]
    [InlineData("no manifest")]
    [InlineData("file")]
    [InlineData("link")]
    public void WhatIsInTheWayOfASaveIsPutAsideWithAWord(string kind)
    {
        WriteAll(100);
        switch (kind)
        {
            case "other step":
                Copy(PathOf(100), PathOf(200));
                break;
            case "no manifest":
                Directory.CreateDirectory(PathOf(200));
                break;
            case "file":
                File.WriteAllText(PathOf(200), "mine");
                break;
            default:
                Directory.CreateSymbolicLink(PathOf(200), PathOf(100));
                break;
        }

        var folder = Later();
        for (var time = 0; time < 2; time++)
        {
            Write(folder, 200);
        }

        Assert.Equal(["latest", Name(100), Name(200), $"{Name(200)}.aside-1"], Names());
        Assert.Contains($"it is now {PathOf(200)}.aside-1", Assert.Single(_told), StringComparison.Ordinal);
        Assert.Equal(200, Later().FindNewestGood().Newest!.Step);
    }

    [Fact]
    public void ADamagedOneOfTheSameStepIsReplacedWithAWord()
    {
        WriteAll(100, 200);
        Damage(200, "flipped");
        var folder = Later();
        folder.FindNewestGood();

        Write(folder, 200);

        Assert.Equal(["latest", Name(100), Name(200)], Names());
        Assert.Contains("the checkpoint that is saved now has taken its place", Assert.Single(_told), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("step-00000900\n")]
    [InlineData("")]
    [InlineData("../../elsewhere\n")]
    public void ANameInLatestThatLeadsNowhereHindersNothing(string content)
    {
        WriteAll(100);
        File.WriteAllText(Path.Combine(Root, "latest"), content);
        var folder = Later();

        Assert.Equal(100, folder.FindNewestGood().Newest!.Step);
        Write(folder, 200);
        folder.Prune(1);

        Assert.Equal($"{Name(200)}\n", File.ReadAllText(Path.Combine(Root, "latest")));
    }

    [Fact]
    public void AFolderNamedLatestIsNamedAndHindersNoSave()
    {
        WriteAll(100);
        File.Delete(Path.Combine(Root, "latest"));
        Directory.CreateDirectory(Path.Combine(Root, "latest"));
        var folder = Later();

        Write(folder, 200);

        Assert.Equal(200, Later().FindNewestGood().Newest!.Step);
        Assert.Contains("latest is a folder; wanted a file", Assert.Single(_told), StringComparison.Ordinal);
    }

    // As another launch sees it: without knowledge of what an earlier one wrote.
    private CheckpointFolder Later() => new(Root);

    private void WriteAll(params long[] steps)
    {
        var folder = Later();
        foreach (var step in steps)
        {
            Write(folder, step);
        }
    }

    private void Write(CheckpointFolder folder, long step)
    {
        using var draft = folder.Begin(step, _told.Add);
        File.WriteAllText(draft.PathOf("model.bin"), $"weights of {step}");
        draft.Commit(new CheckpointContent());
    }

    private void Damage(long step, string damage)
    {
        var (model, manifest) = (Path.Combine(PathOf(step), "model.bin"), Path.Combine(PathOf(step), "manifest.json"));
        switch (damage)
        {
            case "flipped":
                var bytes = File.ReadAllBytes(model);
                bytes[^1] ^= 1;
                File.WriteAllBytes(model, bytes);
                break;
            case "shortened":
                File.WriteAllText(model, File.ReadAllText(model)[..^1]);
                break;
            case "file missing":
                File.Delete(model);
                break;
            default:
                File.WriteAllText(manifest, File.ReadAllText(manifest)[..^3]);
                break;
        }
    }

    private string PathOf(long step) => Path.Combine(Root, Name(step));

    private static string Name(long step) => FormattableString.Invariant($"step-{step:D8}");

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.GetFiles(from))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }
    }

    private IEnumerable<string> Names() => Directory.GetFileSystemEntries(Root).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal);
}
