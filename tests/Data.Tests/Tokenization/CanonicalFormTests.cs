using KvShiftScale.Data.Tokenization.Normalization;

namespace KvShiftScale.Data.Tests.Tokenization;

public sealed class CanonicalFormTests
{
    // Composition; order of marks by class; a mark that blocks; singletons; exclusions; Hangul; above U+FFFF; after plain text and before it.
    [Theory]
    [InlineData("plain é", "plain é")]
    [InlineData("e\u0301", "\u00E9")]
    [InlineData("xe\u0301y", "x\u00E9y")]
    [InlineData("a\u0323\u0302", "\u1EAD")]
    [InlineData("a\u0302\u0323", "\u1EAD")]
    [InlineData("e\u0301\u0301", "\u00E9\u0301")]
    [InlineData("\u212B\u2126", "\u00C5\u03A9")]
    [InlineData("\u0958", "\u0915\u093C")]
    [InlineData("\u1100\u1161\u11A8", "\uAC01")]
    [InlineData("\uAC00\u11A8", "\uAC01")]
    [InlineData("\uAC00\u1161", "\uAC00\u1161")]
    [InlineData("\U0001D15E", "\U0001D157\U0001D165")]
    [InlineData("\U00011099\U000110BA", "\U0001109A")]
    [InlineData("\u0344", "\u0308\u0301")]
    [InlineData("\u0301a", "\u0301a")]
    [InlineData("\uD800\u0301", "\uD800\u0301")]
    [InlineData("", "")]
    public void Composes(string text, string composed) => Assert.Equal(composed, CanonicalForm.Compose(text));

    [Fact]
    public void ChangesNothingTheSecondTime()
    {
        var random = new Random(3);
        for (var i = 0; i < 3000; i++)
        {
            var text = string.Concat(Enumerable.Range(0, 12).Select(_ => (char)random.Next(0x40, random.Next(2) == 0 ? 0x370 : 0x3200)));
            var once = CanonicalForm.Compose(text);
            Assert.Equal(once, CanonicalForm.Compose(once));
        }
    }
}
