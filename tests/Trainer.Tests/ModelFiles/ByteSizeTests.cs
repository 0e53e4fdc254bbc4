using KvShiftScale.Core.Text;

namespace KvShiftScale.Trainer.Tests.ModelFiles;

public sealed class ByteSizeTests
{
    [Theory]
    [InlineData("1", 1L)]
    [InlineData("1048576", 1048576L)]
    [InlineData("5GiB", 5L << 30)]
    [InlineData("5GB", 5_000_000_000L)]
    [InlineData("1.5 KiB", 1536L)]
    [InlineData("2m", 2_000_000L)]
    [InlineData("7B", 7L)]
    public void SizesAreUnderstood(string text, long bytes) => Assert.Equal(bytes, ByteSize.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("GiB")]
    [InlineData("1iB")]
    [InlineData("5 gigabytes")]
    [InlineData("999999999999999999TiB")]
    public void OthersAreNot(string text) => Assert.Null(ByteSize.Parse(text));
}
