using System.Text;
using KvShiftScale.Core.Files;
using KvShiftScale.Core.Text;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>
/// <c>report.html</c> of an experiment, or of runs beside each other, from the top down: one file with its style and pictures inside, no script, nothing from the
/// network; light or dark as the reader's system is.
/// </summary>
internal sealed class ResultPage
{
    private const string Style =
        """
        .scroll{overflow-x:auto}
        .data td,.data th{padding:6px 14px 6px 0;white-space:nowrap;width:auto;font-variant-numeric:tabular-nums}
        .data td:last-child,.data th:last-child{padding-right:0}.data td.wide{white-space:normal}
        .data thead th{color:var(--muted);border-top:0;font-size:13px}.data tbody tr:first-child>*{border-top:1px solid var(--edge)}
        .verdict{font-weight:600}.yes{color:#1a7f37}.no{color:#cf222e}.open{color:var(--muted)}
        @media (prefers-color-scheme:dark){.yes{color:#56d364}.no{color:#ff7b72}}
        h2.part{font-size:18px;margin:26px 0 10px}p.note{margin:0 0 12px;color:var(--muted)}
        """;

    private readonly StringBuilder _body = new();
    private readonly string _title;

    public ResultPage(string title, string subtitle)
    {
        _title = title;
        _body.Append($"<header><h1>{XmlText.Escape(title)}</h1><p>{XmlText.Escape(subtitle)}</p></header>\n");
    }

    /// <summary>A heading with a sentence below it.</summary>
    public void AddPart(string heading, string note)
        => _body.Append($"<h2 class=\"part\">{XmlText.Escape(heading)}</h2>\n<p class=\"note\">{XmlText.Escape(note)}</p>\n");

    /// <summary>What is claimed, whether it was found, and the figures.</summary>
    public void AddClaims(IReadOnlyList<Claim> claims)
    {
        var rows = claims.Select(claim =>
            $"<tr><td class=\"verdict {Class(claim)}\">{claim.Verdict}</td><td class=\"wide\">{XmlText.Escape(claim.Sentence)}</td>"
            + $"<td class=\"wide\">{XmlText.Escape(claim.Found)}</td></tr>");
        AddCard("", Table(["", "claim", "found"], rows));

        static string Class(Claim claim) => claim.Holds switch { true => "yes", false => "no", null => "open" };
    }

    /// <summary>Charts side by side where there is room.</summary>
    public void AddCharts(params IReadOnlyList<SvgChart> charts)
    {
        if (charts.Count > 1)
        {
            _body.Append("<div class=\"pair\">\n");
        }

        foreach (var chart in charts)
        {
            AddCard(" plot", chart.ToElement());
        }

        if (charts.Count > 1)
        {
            _body.Append("</div>\n");
        }
    }

    /// <summary>A table of text.</summary>
    public void AddTable(string heading, IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows)
        => AddCard("", $"<h2>{XmlText.Escape(heading)}</h2>\n" + Table(columns, rows.Select(row =>
            $"<tr>{string.Concat(row.Select(cell => $"<td>{XmlText.Escape(cell)}</td>"))}</tr>")));

    /// <summary>Where it ran, in two columns.</summary>
    public void AddEnvironment(RunEnvironment environment)
        => AddCard("", "<h2>Environment</h2>\n<table>\n" + string.Join('\n', environment.Rows().Select(row =>
            $"<tr><th>{XmlText.Escape(row.Name)}</th><td>{XmlText.Escape(row.Value)}</td></tr>")) + "\n</table>");

    /// <summary>Writes the page; the file holds either its old text or the whole new one.</summary>
    public void Save(string path, DateTimeOffset writtenAt) => DurableFile.Replace(path,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        + "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
        + $"<title>{XmlText.Escape(_title)}</title>\n<style>\n{HtmlReport.Style}\n{Style}\n{SvgChart.Style}\n</style>\n</head>\n<body>\n<main>\n"
        + _body
        + Quantity.Format($"<footer>Written by kvshift on {writtenAt.UtcDateTime:yyyy-MM-dd HH:mm} UTC.</footer>\n</main>\n</body>\n</html>\n"));

    private static string Table(IReadOnlyList<string> columns, IEnumerable<string> rows)
        => "<div class=\"scroll\"><table class=\"data\">\n<thead><tr>" + string.Concat(columns.Select(column => $"<th>{XmlText.Escape(column)}</th>"))
            + $"</tr></thead>\n<tbody>\n{string.Join('\n', rows)}\n</tbody></table></div>";

    private void AddCard(string name, string content) => _body.Append($"<div class=\"card{name}\">{content}</div>\n");
}
