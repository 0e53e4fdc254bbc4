using KvShiftScale.Checkpoints.Folders;
using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Checkpoints.Verification;
using KvShiftScale.Core.Files;
using KvShiftScale.Core.Progress;
using KvShiftScale.Testing;

namespace KvShiftScale.Checkpoints.Tests.Folders;

/// <summary>Files that give an error when they are read, and files that take long.</summary>
public sealed class UnreadableFileTests : IDisposable
{
    // Whoever it belongs to, reading its beginning is an input/output error.
    private const string Unreadable = "/proc/self/mem";

    private readonly TemporaryFolder _temporary = new();
    private readonly CheckpointFolder _folder;

    public UnreadableFileTests() => _folder = new CheckpointFolder(_temporary.PathOf("checkpoints"));

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void PruneLeavesWhatItCannotReadAndGoesOnWithTheOthers()
    {
        foreach (var step in (long[])[100, 200, 300, 400])
        {
            Write(step);
        }

        MakeUnreadable(200);
        var warnings = new List<string>();

        var deleted = _folder.Prune(1, warn: warnings.Add);

        Assert.Equal([_folder.PathOf(300), _folder.PathOf(100)], deleted);
        Assert.Equal([_folder.PathOf(400), _folder.PathOf(200)], _folder.List().Select(checkpoint => checkpoint.Path));
        Assert.StartsWith($"{_folder.PathOf(200)} stays: it cannot be read (", Assert.Single(warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void VerificationNamesAManifestThatItCannotRead()
    {
        Write(100);
        MakeUnreadable(100);

        var fault = Assert.Single(CheckpointVerification.Run(_folder.PathOf(100)));

        Assert.Equal(CheckpointManifest.FileName, fault.File);
        Assert.StartsWith("cannot be read (", fault.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void HashingALargeFileGivesSignsOfProgress()
    {
        var path = _temporary.PathOf("large.bin");
        using (var file = File.Create(path))
        {
            file.SetLength(64 << 20);
        }

        foreach (var hash in (Func<string, string>[])[FileChecksum.OfFile, FileChecksum.Sha256OfFile])
        {
            var before = RunProgress.Count;
            hash(path);
            // One a mebibyte is enough for any disk.
            Assert.InRange(RunProgress.Count - before, 64, long.MaxValue);
        }
    }

    [Fact]
    public void AFileHasTheSha256ThatTheLibraryGives()
    {
        var bytes = new byte[(1 << 20) + 7];
        new Random(3).NextBytes(bytes);
        File.WriteAllBytes(_temporary.PathOf("file.bin"), bytes);

        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes)), FileChecksum.Sha256OfFile(_temporary.PathOf("file.bin")));
    }

    private void Write(long step)
    {
        using var draft = _folder.Begin(step);
        File.WriteAllText(draft.PathOf("model.bin"), $"weights of {step}");
        draft.Commit(new CheckpointContent());
    }

    private void MakeUnreadable(long step)
    {
        var manifest = Path.Combine(_folder.PathOf(step), CheckpointManifest.FileName);
        File.Delete(manifest);
        File.CreateSymbolicLink(manifest, Unreadable);
    }
}
