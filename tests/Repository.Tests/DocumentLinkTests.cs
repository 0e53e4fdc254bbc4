using System.Text.RegularExpressions;

namespace KvShiftScale.Repository.Tests;

/// <summary>What a document points at is there.</summary>
public sealed partial class DocumentLinkTests
{
    [Fact]
    public void EveryRelativeLinkLeadsToAFile()
    {
        string[] folders = ["docs", "src", "tests", "bench"];
        var documents = folders.SelectMany(folder => RepositoryFiles.Below(folder, "*.md")).Append("README.md").ToArray();
        var broken = documents.SelectMany(document => Link().Matches(RepositoryFiles.Text(document))
            .Select(match => match.Groups["target"].Value)
            .Where(target => !target.Contains("://", StringComparison.Ordinal))
            .Where(target => !Path.Exists(Path.Combine(Path.GetDirectoryName(RepositoryFiles.Path(document))!, target)))
            .Select(target => $"{document} -> {target}"));

        Assert.True(documents.Length > 10);
        Assert.Empty(broken);
    }

    // The part behind # is a heading, which a renderer makes.
    [GeneratedRegex(@"\]\((?<target>[^)#\s]+)(#[^)]*)?\)")]
    private static partial Regex Link();
}
