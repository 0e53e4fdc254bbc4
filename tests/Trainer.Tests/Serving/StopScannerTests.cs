using KvShiftScale.Trainer.Serving;

namespace KvShiftScale.Trainer.Tests.Serving;

public sealed class StopScannerTests
{
    [Theory]
    [InlineData("one two three", "", "one two three")]
    [InlineData("one two three", "two", "one ")]
    [InlineData("one two three", "three|two", "one ")]
    [InlineData("one two three", "four|thre3", "one two three")]
    [InlineData("aab", "ab", "a")]
    [InlineData("one t", "two", "one t")]
    [InlineData("abcabd", "abd|bcab", "a")]
    public void TheTextEndsBeforeTheFirstStopHoweverItComes(string text, string stops, string expected)
    {
        for (var size = 1; size <= text.Length; size++)
        {
            var scanner = new StopScanner(stops.Split('|', StringSplitOptions.RemoveEmptyEntries));

            var shown = string.Concat(text.Chunk(size).Select(piece => scanner.Append(new string(piece)))) + scanner.Flush();

            Assert.Equal(expected, shown);
            Assert.Equal(expected != text, scanner.HasStopped);
        }
    }

    [Fact]
    public void OnlyWhatMayBeginAStopIsKeptBack()
    {
        var scanner = new StopScanner(["\n\nQ"]);

        Assert.Equal("an answer", scanner.Append("an answer\n"));
        Assert.Equal("\nof two lines", scanner.Append("of two lines\n\n"));
        Assert.Equal("", scanner.Append("Q: next"));
        Assert.True(scanner.HasStopped);
        Assert.Equal("", scanner.Append("more") + scanner.Flush());
    }
}
