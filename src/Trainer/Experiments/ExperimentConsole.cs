using KvShiftScale.Trainer.Reporting;
using Spectre.Console;

namespace KvShiftScale.Trainer.Experiments;

/// <summary>Short tables and claims on standard output.</summary>
internal sealed class ExperimentConsole
{
    private readonly IAnsiConsole _console = AnsiConsole.Create(new AnsiConsoleSettings
    {
        Ansi = Console.IsOutputRedirected ? AnsiSupport.No : AnsiSupport.Detect,
        ColorSystem = Console.IsOutputRedirected ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
    });

    /// <summary>A table; its first column is text, the others are numbers.</summary>
    public void Table(string title, IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows)
    {
        var table = new Table().Border(TableBorder.Simple);
        foreach (var column in columns)
        {
            table.AddColumn(new TableColumn(new Text(column)).NoWrap());
        }

        foreach (var row in rows)
        {
            table.AddRow(row.Select(cell => new Text(cell)));
        }

        Line("");
        Line(title);
        _console.Write(table);
    }

    /// <summary>One line a claim, and one for its figures.</summary>
    public void Claims(IEnumerable<Claim> claims)
    {
        foreach (var claim in claims)
        {
            var style = claim.Holds switch { true => new Style(Color.Green), false => new Style(Color.Red), null => Style.Plain };
            _console.Write(new Text(claim.Verdict, style));
            Line($": {claim.Sentence}");
            Line($"    {claim.Found}");
        }
    }

    /// <summary>A line, however long: the terminal breaks it, a file keeps it whole.</summary>
    public static void Line(string text) => Console.WriteLine(text);
}
