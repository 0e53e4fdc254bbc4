using KvShiftScale.Data.Corpus;

namespace KvShiftScale.Data.Tests.Text;

public sealed class ZstdTextTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ReadsTextAndJsonLines()
    {
        Write("a.md.zst", ZstdFile.Compress("# head"));
        Write("b.jsonl.zst", ZstdFile.Compress("{\"text\":\"one\"}\n{\"text\":\"two\"}\n"));
        Write("c.txt.zstd", ZstdFile.Compress(""));

        Assert.Equal(["# head", "one", "two"], Texts());
    }

    [Fact]
    public void ReadsJoinedFramesLongerThanAnyBuffer()
    {
        // The second frame compresses 1000 to 1: much output from input that is long read.
        var first = string.Join(' ', Enumerable.Range(0, 200_000));
        var second = new string('x', 3_000_000);
        Write("a.txt.zst", [.. ZstdFile.Compress(first), .. ZstdFile.Compress(""), .. ZstdFile.Compress(second)]);

        Assert.Equal([first + second], Texts());
    }

    [Fact]
    public void NoticesAFileThatIsCutOff()
    {
        var whole = ZstdFile.Compress(string.Join(' ', Enumerable.Range(0, 5000)));
        foreach (var length in new[] { 1, 3, 4, 5, 9, whole.Length / 2, whole.Length - 4, whole.Length - 1 })
        {
            Assert.StartsWith("damaged. The compressed data is cut off", Damage(whole[..length]), StringComparison.Ordinal);
            // Also behind a whole frame.
            Assert.StartsWith("damaged. The compressed data is cut off", Damage([.. whole, .. whole[..length]]), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void NamesWhatIsNoZstd()
    {
        Assert.StartsWith("found plain text; wanted zstd data", Damage("plain text"u8.ToArray()), StringComparison.Ordinal);
        // A whole frame and something else behind it.
        Assert.Contains("zstd cannot decompress it", Damage([.. ZstdFile.Compress("text"), .. "plain text"u8]), StringComparison.Ordinal);
    }

    [Fact]
    public void AWindowOfTwoGibibytesIsRefusedBeforeMemoryIsSetAside()
    {
        // A frame header without a content size whose window descriptor says 2^(10 + 21), then an empty last block.
        byte[] frame = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 21 << 3, 0x01, 0x00, 0x00];

        Assert.Contains("Windows of more than 128 MiB", Damage(frame), StringComparison.Ordinal);
    }

    private string Damage(byte[] content)
    {
        var path = Write("damaged.txt.zst", content);
        var message = Assert.Throws<InvalidDataException>(() => TextDocuments.Read([path]).ToList()).Message;
        Assert.StartsWith(path + ": ", message, StringComparison.Ordinal);
        return message[(path.Length + 2)..];
    }

    private string Write(string name, byte[] content)
    {
        File.WriteAllBytes(_folder.Path(name), content);
        return _folder.Path(name);
    }

    private IEnumerable<string> Texts() => TextDocuments.Read([_folder.Path("*")]).Select(document => document.Text);
}
