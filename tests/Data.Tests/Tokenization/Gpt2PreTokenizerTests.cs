using KvShiftScale.Data.Tokenization;

namespace KvShiftScale.Data.Tests.Tokenization;

public sealed class Gpt2PreTokenizerTests
{
    private readonly Gpt2PreTokenizer _splitter = new();

    [Theory]
    [InlineData("Hello, world!", "Hello|,| world|!")]
    [InlineData("a  b   c", "a| | b|  | c")]
    [InlineData("don't DON'T we'll've", "don|'t| DON|'|T| we|'ll|'ve")]
    [InlineData("tab\t\tx\n\n\n y", "tab|\t|\t|x|\n\n\n| y")]
    [InlineData("x\r\n\r\ny", "x|\r\n\r|\n|y")]
    [InlineData("x \n ", "x| \n ")]
    [InlineData("12 3.5", "12| 3|.|5")]
    [InlineData(" '", " '")]
    [InlineData("'l 'r 'v", "'|l| '|r| '|v")]
    public void SplitsAsPublished(string text, string pieces) => Assert.Equal(pieces.Split('|'), Split(text));

    // U+1D400 is a letter, U+1D7D8 a digit, U+1F600 neither.
    [Theory]
    [InlineData("a\U0001D400b \U0001D400", "a\U0001D400b| \U0001D400")]
    [InlineData("1\U0001D7D8 \U0001D7D8", "1\U0001D7D8| \U0001D7D8")]
    [InlineData("a\U0001F600!", "a|\U0001F600!")]
    public void ClassifiesByCodePoint(string text, string pieces) => Assert.Equal(pieces.Split('|'), Split(text));

    [Fact]
    public void AgreesWithTheExpression()
    {
        var random = new Random(11);
        for (var i = 0; i < 5000; i++)
        {
            var text = SampleTexts.WithinFirstPlane(random, random.Next(1, 20));
            Assert.Equal(NaiveBpe.Gpt2Split.Matches(text).Select(match => match.Value), Split(text));
        }
    }

    [Fact]
    public void BothOverloadsCoverEveryTextWithoutGap()
    {
        var random = new Random(12);
        for (var i = 0; i < 1000; i++)
        {
            var text = SampleTexts.WellFormed(random, 12) + (char)random.Next(0xD800, 0xE000);
            var pieces = _splitter.PreTokenize(text).ToList();
            Assert.Equal(pieces, _splitter.PreTokenize(text.AsSpan()));
            var end = 0;
            foreach (var (offset, length) in pieces)
            {
                Assert.Equal(end, offset);
                Assert.True(length > 0);
                end += length;
            }

            Assert.Equal(text.Length, end);
        }
    }

    private IEnumerable<string> Split(string text)
        => _splitter.PreTokenize(text).Select(piece => text.Substring(piece.Offset, piece.Length));
}
