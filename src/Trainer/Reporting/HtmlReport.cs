using System.Text;
using KvShiftScale.Core.Files;
using KvShiftScale.Core.Text;
using KvShiftScale.Models.Probing;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>
/// <c>report.html</c> of a run: one file with its style and pictures inside, no script, nothing from the network; light or dark as the
/// reader's system is.
/// </summary>
public static class HtmlReport
{
    private const int RefreshSeconds = 60;

    // Of 1; below it pictures of heads are empty frames.
    private const double NotableScore = 0.05;

    /// <summary>Style of a page of cards; other pages of results use it too.</summary>
    internal const string Style =
        """
        :root{color-scheme:light dark;--page:#f4f6f8;--card:#ffffff;--edge:#dfe4e9;--code:#f6f8fa;
        --ink:#1f2328;--muted:#656d76;--accent:#0b6bcb}
        @media (prefers-color-scheme:dark){:root{--page:#0b0e13;--card:#12161d;--edge:#262c36;--code:#0d1117;
        --ink:#e6edf3;--muted:#9198a1;--accent:#58a6ff}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--page);color:var(--ink);
        font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
        main{max-width:1120px;margin:0 auto;padding:32px 20px 48px}
        header{margin-bottom:20px}h1{font-size:28px;line-height:1.2;margin:0;overflow-wrap:anywhere}
        header p{margin:6px 0 0;color:var(--muted)}
        h2{font-size:15px;margin:0 0 10px}
        .card{background:var(--card);border:1px solid var(--edge);border-radius:10px;padding:16px 18px;margin:0 0 16px;min-width:0}
        .plot{padding:6px}.plot svg{display:block;width:100%;height:auto}
        .numbers{display:grid;grid-template-columns:repeat(auto-fill,minmax(176px,1fr));gap:12px;margin-bottom:16px}
        .numbers .card{margin:0;padding:12px 16px}
        .switch{position:relative}.switch input{position:absolute;opacity:0}
        .switch label{float:right;margin:4px 10px 0 0;color:var(--muted);font-size:13px;cursor:pointer}
        .switch input:checked+label{color:var(--ink);font-weight:600}.switch input:focus-visible+label{outline:2px solid var(--accent)}
        .switch .log,.switch #loss-log:checked~.linear{display:none}.switch #loss-log:checked~.log{display:block}.switch div{clear:both}
        details summary{cursor:pointer;color:var(--muted);margin:10px 0}
        .numbers span{display:block;color:var(--muted);font-size:13px}
        .numbers b{display:block;font-size:20px;white-space:nowrap;font-weight:600;font-variant-numeric:tabular-nums;line-height:1.35}
        .plot{overflow-x:auto}.plot svg{min-width:480px}
        .pair{display:grid;align-items:start;grid-template-columns:repeat(auto-fit,minmax(min(440px,100%),1fr));gap:0 16px}
        pre{margin:0;padding:12px 14px;background:var(--code);border:1px solid var(--edge);border-radius:8px;
        max-height:520px;overflow:auto;font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
        .sample{white-space:pre-wrap;overflow-wrap:anywhere}.sample b{color:var(--accent);font-weight:600}
        table{border-collapse:collapse;width:100%}
        td,th{padding:6px 0;border-top:1px solid var(--edge);text-align:left;vertical-align:top;font-weight:400;overflow-wrap:anywhere}
        tr:first-child>*{border-top:0}th{color:var(--muted);width:11em;padding-right:14px}
        footer{color:var(--muted);font-size:13px}
        """;

    /// <summary>Writes the report to a file, which holds either its old text or the whole new one.</summary>
    public static void Save(ReportContent content, string path) => DurableFile.Replace(path, Render(content));

    /// <summary>The report as HTML.</summary>
    public static string Render(ReportContent content)
    {
        var summary = RunSummary.Of(content.Records);
        var name = XmlText.Escape(content.RunName);
        var html = new StringBuilder();
        html.Append("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
            .Append("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n")
            .Append(content.IsRunning ? Quantity.Format($"<meta http-equiv=\"refresh\" content=\"{RefreshSeconds}\">\n") : "")
            .Append(Quantity.Format($"<title>{name}: training report</title>\n<style>\n{Style}\n{SvgChart.Style}\n{SvgHeatMap.Style}\n{SvgScatter.Style}\n</style>\n"))
            .Append("</head>\n<body>\n<main>\n")
            .Append(Quantity.Format($"<header><h1>{name}</h1><p>{XmlText.Escape(Subtitle(content, summary))}</p></header>\n"));
        AppendNumbers(html, content, summary);
        AppendLoss(html, content);
        AppendProbes(html, content);
        html.Append("<div class=\"pair\">\n");
        foreach (var chart in RunCharts.Others(content.Records, content.ResumedAfterSteps, content.ClipNorm))
        {
            AppendCard(html, "plot", chart.ToElement());
        }

        html.Append("</div>\n");
        AppendSample(html, content);
        html.Append("<div class=\"pair\">\n");
        AppendConfiguration(html, content);
        AppendEnvironment(html, content);
        html.Append("</div>\n")
            .Append(Quantity.Format($"<footer>Written by kvshift on {content.WrittenAt.UtcDateTime:yyyy-MM-dd HH:mm} UTC.</footer>\n"))
            .Append("</main>\n</body>\n</html>\n");
        return html.ToString();
    }

    // Both axes are in the page, and one is shown.
    private static void AppendLoss(StringBuilder html, ReportContent content)
    {
        string Chart(bool isLogarithmic) => RunCharts.Loss(content.Records, content.ResumedAfterSteps, content.Checkpoints, isLogarithmic).ToElement();
        AppendCard(html, "plot switch",
            "<input type=\"radio\" name=\"loss\" id=\"loss-log\"><label for=\"loss-log\">log</label>"
            + "<input type=\"radio\" name=\"loss\" id=\"loss-linear\" checked><label for=\"loss-linear\">linear</label>\n"
            + $"<div class=\"linear\">{Chart(isLogarithmic: false)}</div>\n<div class=\"log\">{Chart(isLogarithmic: true)}</div>");
    }

    private static void AppendConfiguration(StringBuilder html, ReportContent content)
    {
        var rows = content.ChangedSettings.Select(setting => $"<tr><th>{XmlText.Escape(setting.Key)}</th><td>{XmlText.Escape(setting.Value)}"
            + $"{(setting.Default is null ? "" : $" <small>default {XmlText.Escape(setting.Default)}</small>")}</td></tr>");
        AppendCard(html, "", $"<h2>Configuration, where it is not the default</h2>\n<table>\n{string.Join("\n", rows)}\n</table>\n"
            + $"<details><summary>All of it</summary>\n<pre>{XmlText.Escape(content.ConfigurationYaml)}</pre></details>");
    }

    private static string Subtitle(ReportContent content, RunSummary summary)
    {
        var progress = summary.LastStep >= content.PlannedSteps
            ? Quantity.Format($"{Quantity.Whole(summary.LastStep)} steps, complete")
            : Quantity.Format($"{Quantity.Whole(summary.LastStep)} of {Quantity.Whole(content.PlannedSteps)} steps");
        var model = content.ParameterCount is { } count ? Quantity.Format($", {Quantity.Short(count)} parameters") : "";
        var resumed = content.ResumedAfterSteps.Count switch
        {
            0 => "",
            1 => Quantity.Format($", resumed after step {content.ResumedAfterSteps[0]}"),
            var times => Quantity.Format($", resumed {times} times"),
        };
        return $"KV-shifting transformer: {progress}{model}{resumed}";
    }

    private static void AppendNumbers(StringBuilder html, ReportContent content, RunSummary summary)
    {
        var validation = summary.FirstValidationLoss is { } first && content.Records.Count(record => record.ValidationLoss is not null) > 1
            ? Quantity.Format($"{first:0.000} → {summary.LastValidationLoss:0.000}")
            : Quantity.Loss(summary.LastValidationLoss);
        var numbers = new List<(string Name, string Value)>
        {
            ("Validation loss", validation),
            ("Training loss", Quantity.Loss(summary.LastLoss)),
            ("Tokens", Quantity.Short(summary.Tokens)),
            ("Tokens per second", summary.MedianTokensPerSecond is { } rate ? Quantity.Whole(rate) : "-"),
            ("Tokens per second a rank", summary.MedianTokensPerSecondPerRank is { } ofRank ? Quantity.Whole(ofRank) : "-"),
            ("Time in steps", Quantity.Duration(summary.TrainingSeconds)),
            ("Peak memory", Quantity.Bytes(summary.PeakMemoryBytes)),
        };
        if (summary.MedianTflopsPerRank is { } tflops)
        {
            numbers.Add(("TFLOP/s a rank", Quantity.Tflops(tflops)));
        }

        if (summary.MedianMfu is { } mfu)
        {
            numbers.Add(("MFU", Quantity.Percent(mfu)));
        }

        if (summary.MedianMatmulShare is { } share)
        {
            numbers.Add(("Of best matrix product", Quantity.Percent(share)));
        }

        if (summary.DataWaitFraction is { } waited)
        {
            numbers.Add(("Waiting for data", Quantity.Percent(waited)));
        }

        html.Append("<section class=\"numbers\">\n");
        foreach (var (name, value) in numbers)
        {
            AppendCard(html, "", $"<span>{XmlText.Escape(name)}</span><b>{XmlText.Escape(value)}</b>");
        }

        html.Append("</section>\n");
    }

    private static void AppendProbes(StringBuilder html, ReportContent content)
    {
        if (RunCharts.Induction(content.Records, content.ResumedAfterSteps) is not { } chart)
        {
            return;
        }

        var last = content.Records.Last(record => record.Probe is not null);
        if (!content.Records.Any(record => record.Probe is { } probe && BestOf(probe.Scores) >= NotableScore))
        {
            AppendCard(html, "", Quantity.Format(
                $"<h2>Induction</h2>\n<p>Not yet: when the model was last asked to go on with random sequences it had seen once, after step {last.Step}, it was right ")
                + Quantity.Format($"{last.Probe!.Scores.Accuracy * 100:0.0} % of the time, and its best head looked for the place to copy from with a weight of ")
                + Quantity.Format($"{last.Probe.Scores.Layers.Max(layer => layer.PrefixMatching.Max()):0.00}. Curves and heads appear here when that changes.</p>"));
            return;
        }

        AppendCard(html, "plot", chart.ToElement());
        html.Append("<div class=\"pair\">\n");
        AppendCard(html, "plot", HeadCharts.PrefixMatching(last.Step, last.Probe!.Scores).ToElement());
        AppendCard(html, "plot", HeadCharts.Copying(last.Step, last.Probe.Scores).ToElement());
        html.Append("</div>\n");
        if (HeadCharts.Scalars(last.Probe.Scores) is { Count: > 0 } scalars)
        {
            html.Append("<div class=\"pair\">\n");
            foreach (var picture in scalars)
            {
                AppendCard(html, "plot", picture.ToElement());
            }

            html.Append("</div>\n");
        }
    }

    private static double BestOf(InductionScores scores) => Math.Max(scores.Accuracy, scores.Layers.Max(layer => layer.PrefixMatching.Max()));

    private static void AppendSample(StringBuilder html, ReportContent content)
    {
        if (content.SampleText is { } text)
        {
            var prompt = XmlText.Escape(content.SamplePrompt ?? "");
            AppendCard(html, "",
                "<h2>Sample: the prompt, and what the model makes of it</h2>\n" +
                $"<pre class=\"sample\"><b>{prompt}</b>{XmlText.Escape(text)}</pre>");
        }
    }

    private static void AppendEnvironment(StringBuilder html, ReportContent content)
    {
        var rows = content.Environment.Rows().Select(row =>
            $"<tr><th>{XmlText.Escape(row.Name)}</th><td>{XmlText.Escape(row.Value)}</td></tr>");
        AppendCard(html, "", $"<h2>Environment</h2>\n<table>\n{string.Join("\n", rows)}\n</table>");
    }

    private static void AppendCard(StringBuilder html, string name, string content) =>
        html.Append(Quantity.Format($"<div class=\"{(name.Length == 0 ? "card" : "card " + name)}\">{content}</div>\n"));
}
