using System.Text.RegularExpressions;

namespace KvShiftScale.Repository.Tests;

/// <summary>Folders of src/ use one another in one direction only, in the order that docs/design.md draws.</summary>
public sealed partial class FolderTests
{
    private static readonly Lazy<FolderGraph> Sources = new(() => new FolderGraph(
        RepositoryFiles.Below("src", "*.cs").Select(path => (path["src/".Length..], RepositoryFiles.Text(path))), Assemblies()));

    [Fact]
    public void NoFoldersUseOneAnotherInACircle()
        => Assert.Empty(Sources.Value.Circles().Select(circle => $"{string.Join(", ", circle)}:\n{string.Join('\n', Sources.Value.Arrows
            .Where(arrow => circle.Contains(arrow.From) && circle.Contains(arrow.To)).OrderBy(arrow => arrow.Uses.Count).Select(Text))}"));

    [Fact]
    public void FoldersUseOnlyThoseThatStandAboveThemInTheDrawing()
    {
        var drawn = Drawn();
        // Names that are not understood make no arrows.
        Assert.True(Sources.Value.Arrows.Count() > 150, $"only {Sources.Value.Arrows.Count()} arrows were found");
        Assert.Equal(Sources.Value.Folders, drawn.Order(StringComparer.Ordinal));
        Assert.Empty(Sources.Value.Arrows.Where(arrow => drawn.IndexOf(arrow.To) > drawn.IndexOf(arrow.From)).Select(Text));
    }

    [Fact]
    public void NamespacesAreFolders()
        // The entry's statements have none.
        => Assert.All(RepositoryFiles.Below("src", "*.cs").Where(path => path != "src/Trainer/Program.cs")
            .Select(path => (Path: path, Found: Namespace().Match(RepositoryFiles.Text(path)))), file => Assert.Equal(
                ($"KvShiftScale.{Path.GetDirectoryName(file.Path["src/".Length..])!.Replace('/', '.')}", file.Path), (file.Found.Groups[1].Value, file.Path)));

    [Fact]
    public void ACircleAndItsArrowsAreFound()
    {
        const string Low = "namespace Low; class Stone { } class Base { public virtual int Weight => 1; }";
        const string Middle = "using Low; namespace Middle; class Wall : Base { High.Roof? above; }";
        const string High = "namespace High; class Roof { int Load() => new Middle.Wall().Weight; }";

        var graph = new FolderGraph([("low/Stone.cs", Low), ("middle/Wall.cs", Middle), ("high/Roof.cs", High)], Assemblies());

        Assert.Equal(["high", "middle"], Assert.Single(graph.Circles()));
        Assert.Equal(["high -> low: Roof.cs -> Base", "high -> middle: Roof.cs -> Wall", "middle -> high: Wall.cs -> Roof", "middle -> low: Wall.cs -> Base"],
            graph.Arrows.Select(Text));
    }

    private static string Text((string From, string To, IReadOnlyCollection<string> Uses) arrow)
        => $"{arrow.From} -> {arrow.To}: {string.Join(", ", arrow.Uses)}";

    // Lines of the block below the heading: a folder, and what it is.
    private static List<string> Drawn()
    {
        var design = RepositoryFiles.Text("docs/design.md");
        var heading = design.IndexOf("\n## Folders\n", StringComparison.Ordinal);
        Assert.True(heading >= 0, "docs/design.md has no section Folders");
        var section = design[(heading + 1)..].Split("\n## ")[0];
        return [.. Line().Matches(section).Select(line => line.Groups[1].Value)];
    }

    private static IEnumerable<string> Assemblies()
        => ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(path => !Path.GetFileName(path).StartsWith("kvshift", StringComparison.OrdinalIgnoreCase));

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Namespace();

    [GeneratedRegex(@"^    ([A-Z][\w/]*)  +\S", RegexOptions.Multiline)]
    private static partial Regex Line();
}
