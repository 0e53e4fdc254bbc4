using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Experiments;

/// <summary>Parts of a Markdown document.</summary>
internal static class MarkdownText
{
    /// <summary>A table with a line break at its end; pipes in cells stand for themselves.</summary>
    public static string Table(IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows)
    {
        var lines = new List<string> { Row(columns), "|" + string.Concat(columns.Select(_ => "---|")) };
        lines.AddRange(rows.Select(Row));
        return string.Join('\n', lines) + "\n";
    }

    /// <summary>Claims as a table.</summary>
    public static string Claims(IEnumerable<Claim> claims)
        => Table(["", "claim", "found"], claims.Select(claim => (IReadOnlyList<string>)[claim.Verdict, claim.Sentence, claim.Found]));

    /// <summary>Where it ran, as a section of its own.</summary>
    public static string Environment(RunEnvironment environment)
        => "\n## Environment\n\n" + Table(["", ""], environment.Rows().Select(row => (IReadOnlyList<string>)[row.Name, row.Value]));

    private static string Row(IReadOnlyList<string> cells)
        => "| " + string.Join(" | ", cells.Select(cell => cell.Replace("|", "\\|", StringComparison.Ordinal))) + " |";
}
