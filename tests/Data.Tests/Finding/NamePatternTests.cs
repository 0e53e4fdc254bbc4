using KvShiftScale.Data.Finding;

namespace KvShiftScale.Data.Tests.Finding;

public sealed class NamePatternTests
{
    [Theory]
    [InlineData("README*", "README", true)]
    [InlineData("README*", "deep/er/README.Debian", true)]
    [InlineData("README*", "deep/MYREADME", false)]
    [InlineData("*.gz", "a/b.gz", true)]
    [InlineData("*.gz", "a/b.GZ", false)]
    [InlineData("drafts", "drafts/a.txt", true)]
    [InlineData("drafts", "x/drafts/y/a.txt", true)]
    [InlineData("drafts", "drafts.txt", false)]
    [InlineData("drafts/*", "drafts/a.txt", true)]
    [InlineData("drafts/*", "drafts/x/a.txt", false)]
    [InlineData("drafts/*", "x/drafts/a.txt", false)]
    [InlineData("drafts/**", "drafts/x/a.txt", true)]
    [InlineData("**/drafts/*.txt", "drafts/a.txt", true)]
    [InlineData("**/drafts/*.txt", "x/y/drafts/a.txt", true)]
    [InlineData("**/drafts/*.txt", "x/drafts/a.md", false)]
    [InlineData("x/**/a.t?t", "x/a.txt", true)]
    [InlineData("x/**/a.t?t", "x/y/z/a.txt", true)]
    [InlineData("x/**/a.t?t", "y/a.txt", false)]
    public void MatchesNamesBelowAFolder(string pattern, string name, bool isMatch) => Assert.Equal(isMatch, NamePattern.Matches(pattern, name));
}
