using System.Globalization;
using System.Text;
using KvShiftScale.Core;
using KvShiftScale.Data.Preparation;

namespace KvShiftScale.Data.Tests.Preparation;

public sealed class ValidationShareTests
{
    /// <summary>SHA-256 of "abc" begins with ba, of "" with e3, of "one" with 76: FIPS 180-4's example, and sha256sum.</summary>
    [Theory]
    [InlineData("abc", "73%", true)]
    [InlineData("abc", "72%", false)]
    [InlineData("", "89%", true)]
    [InlineData("", "88%", false)]
    [InlineData("one", "47%", true)]
    [InlineData("one", "46%", false)]
    public void IsTheHashOfTheText(string text, string share, bool isTaken)
        => Assert.Equal(isTaken, ValidationShare.Parse(share).Takes(Encoding.UTF8.GetBytes(text)));

    [Theory]
    [InlineData("1%")]
    [InlineData("0.5%")]
    [InlineData("30%")]
    public void IsAboutAsLargeAsWanted(string text)
    {
        var share = ValidationShare.Parse(text);
        const int Documents = 100_000;
        var taken = Enumerable.Range(0, Documents).Count(document => share.Takes(Encoding.UTF8.GetBytes(document.ToString(CultureInfo.InvariantCulture))));

        // Five standard deviations.
        var expected = (double)share.Percent / 100 * Documents;
        Assert.InRange(taken, expected - (5 * Math.Sqrt(expected)), expected + (5 * Math.Sqrt(expected)));
    }

    [Fact]
    public void ASmallerShareIsAPartOfALargerOne()
    {
        var (small, large) = (ValidationShare.Parse("2%"), ValidationShare.Parse("5%"));

        Assert.All(Enumerable.Range(0, 2000).Select(document => Encoding.UTF8.GetBytes($"document {document}")).Where(text => small.Takes(text)), text => Assert.True(large.Takes(text)));
    }

    [Theory]
    [InlineData("1")]
    [InlineData("0%")]
    [InlineData("100%")]
    [InlineData("-1%")]
    [InlineData("1 %x")]
    [InlineData("one%")]
    public void OtherTextsAreRefused(string text)
        => Assert.Contains($"found --validation {text}; wanted a share", Assert.Throws<UsageException>(() => ValidationShare.Parse(text)).Message, StringComparison.Ordinal);
}
