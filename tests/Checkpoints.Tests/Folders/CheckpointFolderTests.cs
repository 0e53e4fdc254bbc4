using System.Security.Cryptography;
using System.Text.Json;
using KvShiftScale.Checkpoints.Folders;
using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Testing;

namespace KvShiftScale.Checkpoints.Tests.Folders;

public sealed class CheckpointFolderTests : IDisposable
{
    private static readonly Dictionary<string, string> Versions = new() { ["kvshift"] = "0.1.0" };

    private readonly TemporaryFolder _temporary = new();
    private readonly CheckpointFolder _folder;

    public CheckpointFolderTests() => _folder = new CheckpointFolder(Root);

    private string Root => _temporary.PathOf("checkpoints");

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void CommittedCheckpointHasItsFilesManifestAndName()
    {
        var checkpoint = Write(100);

        Assert.Equal(Path.Combine(Root, "step-00000100"), checkpoint.Directory);
        Assert.Equal("weights of 100", File.ReadAllText(checkpoint.PathOf("model.bin")));
        Assert.Equal("step-00000100\n", File.ReadAllText(Path.Combine(Root, "latest")));
        Assert.Equal(["latest", "step-00000100"], Names());

        using var manifest = JsonDocument.Parse(File.ReadAllText(checkpoint.PathOf("manifest.json")));
        var root = manifest.RootElement;
        Assert.Equal(3, root.GetProperty("format").GetInt32());
        Assert.Equal(100, root.GetProperty("step").GetInt64());
        Assert.Equal("0.1.0", root.GetProperty("versions").GetProperty("kvshift").GetString());
        var files = root.GetProperty("files").EnumerateArray().ToArray();
        Assert.Equal(["model.bin", "tokenizer/vocab.json"], files.Select(file => file.GetProperty("name").GetString()));
        Assert.Equal("weights of 100".Length, files[0].GetProperty("bytes").GetInt64());
        Assert.Equal(
            Convert.ToHexStringLower(SHA256.HashData("weights of 100"u8)), files[0].GetProperty("sha256").GetString());
    }

    [Fact]
    public void NewestGoodOneIsFound()
    {
        Write(100);
        Write(1000);
        Write(200);

        var search = new CheckpointFolder(Root).FindNewestGood();

        Assert.Equal(1000, search.Newest!.Step);
        Assert.Equal(Versions, search.Newest.Manifest.Versions);
        Assert.Empty(search.Rejected);
    }

    [Fact]
    public void FolderThatDoesNotExistHasNoCheckpoint()
    {
        var search = _folder.FindNewestGood();

        Assert.Null(search.Newest);
        Assert.Empty(search.Rejected);
        Assert.Empty(_folder.Prune(1));
    }

    [Theory]
    [InlineData("partial", "never finished")]
    [InlineData("no manifest", "manifest.json is missing")]
    [InlineData("empty manifest", "manifest.json is not JSON")]
    [InlineData("manifest cut short", "manifest.json is not JSON")]
    [InlineData("manifest without files", "manifest.json lacks a field")]
    [InlineData("manifest of the wrong type", "manifest.json has a field of the wrong type")]
    [InlineData("manifest of a later format", "format 4")]
    [InlineData("another version in the manifest", "manifest.json has another SHA-256 checksum than it says")]
    [InlineData("manifest without its checksum", "manifest.json has another SHA-256 checksum than it says")]
    [InlineData("manifest that leads out", "not a path below")]
    [InlineData("another step", "says step 100")]
    [InlineData("missing file", "model.bin is missing")]
    [InlineData("truncated file", "model.bin has 13 bytes; 14 were written")]
    [InlineData("longer file", "model.bin has 15 bytes; 14 were written")]
    [InlineData("flipped bit", "model.bin has another SHA-256 checksum")]
    [InlineData("flipped bit below", "tokenizer/vocab.json has another SHA-256 checksum")]
    public void WhatAKillOrADiskLeavesIsRejectedAndTheOneBeforeIsTaken(string state, string reason)
    {
        Write(100);
        var newest = Write(200);
        var path = Spoil(newest, state);

        var search = new CheckpointFolder(Root).FindNewestGood();

        Assert.Equal(100, search.Newest!.Step);
        var rejected = Assert.Single(search.Rejected);
        Assert.Equal(path, rejected.Directory);
        Assert.Contains(reason, rejected.Reason);
        Assert.Contains(path, rejected.ToString());
    }

    [Fact]
    public void WhenNoneIsGoodEachReasonIsGiven()
    {
        Spoil(Write(100), "flipped bit");
        Spoil(Write(200), "no manifest");

        var search = new CheckpointFolder(Root).FindNewestGood();

        Assert.Null(search.Newest);
        Assert.Equal([_folder.PathOf(200), _folder.PathOf(100)], search.Rejected.Select(rejected => rejected.Directory));
    }

    [Fact]
    public void OtherFoldersAreNoCheckpoints()
    {
        Write(100);
        Directory.CreateDirectory(Path.Combine(Root, "step-200"));
        Directory.CreateDirectory(Path.Combine(Root, "step-00000300-copy"));
        Directory.CreateDirectory(Path.Combine(Root, "step-000000400"));

        var search = _folder.FindNewestGood();

        Assert.Equal(100, search.Newest!.Step);
        Assert.Empty(search.Rejected);
    }

    [Fact]
    public void DraftThatIsNotCommittedLeavesNothing()
    {
        Write(100);
        using (var draft = _folder.Begin(200))
        {
            File.WriteAllText(draft.PathOf("model.bin"), "half");
            Assert.Equal(_folder.DraftPathOf(200), draft.Directory);
        }

        Assert.Equal(["latest", "step-00000100"], Names());
    }

    [Fact]
    public void DraftStartsWithoutWhatAnEarlierAttemptLeft()
    {
        Directory.CreateDirectory(_folder.DraftPathOf(100));
        File.WriteAllText(Path.Combine(_folder.DraftPathOf(100), "stale.bin"), "stale");

        var checkpoint = Write(100);

        Assert.False(File.Exists(checkpoint.PathOf("stale.bin")));
        Assert.Equal(100, _folder.FindNewestGood().Newest!.Step);
    }

    [Fact]
    public void CheckpointOfTheSameStepIsReplaced()
    {
        Spoil(Write(100), "flipped bit");

        Write(100);

        Assert.Equal(100, new CheckpointFolder(Root).FindNewestGood().Newest!.Step);
        Assert.Equal(["latest", "step-00000100"], Names());
    }

    [Fact]
    public void PruneKeepsTheNewest()
    {
        foreach (var step in (long[])[100, 200, 300, 400])
        {
            Write(step);
        }

        Directory.CreateDirectory(_folder.DraftPathOf(350));

        var deleted = _folder.Prune(2);

        Assert.Equal(["latest", "step-00000300", "step-00000400"], Names());
        Assert.Equal(3, deleted.Count);
    }

    [Fact]
    public void PruneKeepsEveryNthBesides()
    {
        foreach (var step in (long[])[100, 200, 300, 400, 500, 600])
        {
            Write(step);
        }

        _folder.Prune(2, keepEvery: 200);

        Assert.Equal(["latest", "step-00000200", "step-00000400", "step-00000500", "step-00000600"], Names());
    }

    [Fact]
    public void PruneDoesNotTakeADamagedMilestoneForAGoodCheckpoint()
    {
        Write(50);
        Spoil(Write(100), "flipped bit");
        Spoil(Write(200), "flipped bit");

        new CheckpointFolder(Root).Prune(1, keepEvery: 100);

        Assert.Equal(["latest", "step-00000050", "step-00000100", "step-00000200"], Names());
    }

    [Fact]
    public void PruneDeletesNothingWhenNothingIsGood()
    {
        Spoil(Write(100), "flipped bit");
        Spoil(Write(200), "flipped bit");

        Assert.Empty(new CheckpointFolder(Root).Prune(1));
        Assert.Equal(["latest", "step-00000100", "step-00000200"], Names());
    }

    private Checkpoint Write(long step)
    {
        using var draft = _folder.Begin(step);
        File.WriteAllText(draft.PathOf("model.bin"), $"weights of {step}");
        Directory.CreateDirectory(draft.PathOf("tokenizer"));
        File.WriteAllText(draft.PathOf("tokenizer/vocab.json"), "{}");
        return draft.Commit(new CheckpointContent { Versions = Versions });
    }

    /// <summary>Damages a checkpoint and returns where it is afterwards.</summary>
    private string Spoil(Checkpoint checkpoint, string state)
    {
        var manifest = checkpoint.PathOf(CheckpointManifest.FileName);
        var model = checkpoint.PathOf("model.bin");
        switch (state)
        {
            case "partial":
                Directory.Move(checkpoint.Directory, _folder.DraftPathOf(checkpoint.Step));
                return _folder.DraftPathOf(checkpoint.Step);
            case "no manifest":
                File.Delete(manifest);
                break;
            case "empty manifest":
                File.WriteAllText(manifest, "");
                break;
            case "manifest cut short":
                File.WriteAllText(manifest, File.ReadAllText(manifest)[..^3]);
                break;
            case "manifest without files":
                File.WriteAllText(manifest, """{"format":2,"step":200,"versions":{}}""");
                break;
            case "manifest of the wrong type":
                File.WriteAllText(manifest, """{"format":2,"step":"200","versions":{},"files":[],"tensors":[],"probe_logits":[]}""");
                break;
            case "manifest of a later format":
                Replace(manifest, "\"format\": 3", "\"format\": 4");
                break;
            case "another version in the manifest":
                Replace(manifest, "0.1.0", "0.1.1");
                break;
            case "manifest without its checksum":
                File.WriteAllText(manifest, File.ReadAllText(manifest).Split(",\n  \"manifest_sha256")[0] + "\n}");
                break;
            case "manifest that leads out":
                Replace(manifest, "model.bin", "../step-00000100/model.bin");
                break;
            case "another step":
                Replace(manifest, "\"step\": 200", "\"step\": 100");
                break;
            case "missing file":
                File.Delete(model);
                break;
            case "truncated file":
                File.WriteAllText(model, File.ReadAllText(model)[..^1]);
                break;
            case "longer file":
                File.AppendAllText(model, "x");
                break;
            case "flipped bit":
                FlipBit(model);
                break;
            case "flipped bit below":
                FlipBit(checkpoint.PathOf("tokenizer/vocab.json"));
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(state), state);
        }

        return checkpoint.Directory;
    }

    private static void Replace(string path, string old, string with)
    {
        var text = File.ReadAllText(path);
        Assert.Contains(old, text);
        File.WriteAllText(path, text.Replace(old, with, StringComparison.Ordinal));
    }

    private static void FlipBit(string path)
    {
        var bytes = File.ReadAllBytes(path);
        bytes[^1] ^= 1;
        File.WriteAllBytes(path, bytes);
    }

    private IEnumerable<string?> Names() =>
        Directory.GetFileSystemEntries(Root).Select(Path.GetFileName).Order(StringComparer.Ordinal);
}
