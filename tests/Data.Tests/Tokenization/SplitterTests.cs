using System.Text;
using System.Text.RegularExpressions;
using KvShiftScale.Data.Tokenization.Splitting;
using KvShiftScale.Data.Tokenization.Splitting.Expressions;

namespace KvShiftScale.Data.Tests.Tokenization;

public sealed class SplitterTests
{
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
    [InlineData("x\u3000\u3000y", "x|\u3000|\u3000|y")]
    // U+1D400 is a letter, U+1D7D8 a digit, U+1F600 neither.
    [InlineData("a\U0001D400b \U0001D400", "a\U0001D400b| \U0001D400")]
    [InlineData("1\U0001D7D8 \U0001D7D8", "1\U0001D7D8| \U0001D7D8")]
    [InlineData("a\U0001F600!", "a|\U0001F600!")]
    public void SplitsAsGpt2(string text, string pieces) => Assert.Equal(pieces.Split('|'), Split(Gpt2Scanner.Instance, text));

    [Theory]
    [InlineData("Hello, world!", "Hello|,| world|!")]
    [InlineData("don't DON'T x'LLy 'Re", "don|'t| DON|'T| x|'LL|y| '|Re")]
    [InlineData("a(b .c\td", "a|(b| .|c|\td")]
    [InlineData("12345 67", "123|45| |67")]
    [InlineData("!!\n\nx ?\r\n", "!!\n\n|x| ?\r\n")]
    [InlineData("x\n\n  y", "x|\n\n| | y")]
    [InlineData("x \n \n  y", "x| \n \n| | y")]
    [InlineData("x  \n ", "x|  \n| ")]
    [InlineData("x'\u017F 'm", "x|'\u017F| '|m")]
    [InlineData("\u00A0a \u3000\u3000b", "\u00A0a| \u3000|\u3000b")]
    public void SplitsAsCl100k(string text, string pieces) => Assert.Equal(pieces.Split('|'), Split(new Cl100kScanner(3), text));

    [Theory]
    [InlineData(true, "a12b ½", "a|1|2|b |½")]
    [InlineData(false, "a12b ½", "a|12|b |½")]
    public void PartsDigits(bool eachAlone, string text, string pieces)
        => Assert.Equal(pieces.Split('|'), Split(new DigitScanner(eachAlone), text));

    [Theory]
    [InlineData(false, "a▁b▁▁c▁", "a|▁b|▁|▁c|▁")]
    [InlineData(true, "a▁b▁▁c▁", "a|▁b|▁▁c|▁")]
    public void PartsAtBlanks(bool keepRuns, string text, string pieces)
        => Assert.Equal(pieces.Split('|'), Split(new MetaspaceScanner(keepRuns), text));

    public static TheoryData<string> Published => [SplitExpressions.Gpt2, SplitExpressions.Cl100k, SplitExpressions.Qwen2];

    /// <summary>.NET's own expressions, on text that they classify as the scanners do: nothing above U+FFFF, and no U+017F behind an apostrophe.</summary>
    [Theory]
    [MemberData(nameof(Published))]
    public void AgreesWithTheExpression(string expression)
    {
        Assert.True(SplitExpressions.TryFind(expression, out var scanner, out _));
        var published = new Regex(expression, RegexOptions.CultureInvariant);
        var random = new Random(11);
        for (var i = 0; i < 10_000; i++)
        {
            var text = SampleTexts.WithinFirstPlane(random, random.Next(1, 20));
            Assert.Equal(published.Matches(text).Select(match => match.Value), Split(scanner, text));
        }
    }

    /// <summary>The expression as Oniguruma takes it agrees on all planes.</summary>
    [Theory]
    [MemberData(nameof(Published))]
    public void AgreesWithTheSplitterForAnyExpression(string expression)
    {
        Assert.True(SplitExpressions.TryFind(expression, out var scanner, out _));
        var general = new RegexSplitter(expression, ExpressionDialect.Oniguruma);
        var random = new Random(12);
        for (var i = 0; i < 5_000; i++)
        {
            var text = SampleTexts.WellFormed(random, random.Next(1, 20));
            Assert.Equal(Split(general, text), Split(scanner, text));
        }
    }

    [Fact]
    public void KeepsWhatTheExpressionDoesNotMatch() => Assert.Equal(["x", "12", "😀 y", "3"], Split(new RegexSplitter(@"\p{N}+", ExpressionDialect.Oniguruma), "x12😀 y3"));

    [Fact]
    public void GivesUpOnAnExpressionWithoutEnd()
    {
        var splitter = new RegexSplitter("(?:a+b?)+$", ExpressionDialect.Oniguruma, TimeSpan.FromMilliseconds(50));

        var error = Assert.Throws<InvalidDataException>(() => Split(splitter, new string('a', 60) + "c"));

        Assert.Contains("(?:a+b?)+$", error.Message, StringComparison.Ordinal);
    }

    private static List<string> Split(PieceSplitter splitter, string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        var ends = new List<int>();
        splitter.Split(utf8, ends, 0);
        Assert.Equal(utf8.Length, ends.Count == 0 ? 0 : ends[^1]);
        return [.. ends.Select((end, i) => Encoding.UTF8.GetString(utf8[(i == 0 ? 0 : ends[i - 1])..end]))];
    }
}
