using System.Globalization;
using System.Text;
using System.Text.Json;
using KvShiftScale.Core.Files;
using KvShiftScale.Core.Text;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Experiments.Induction;

/// <summary>What an experiment leaves: results.json, results.md, report.html, the charts as pictures, and a short table on the console.</summary>
/// <param name="folder">Where to.</param>
/// <param name="studies">What was studied.</param>
/// <param name="results">All results of all studies.</param>
/// <param name="environment">Where it ran.</param>
/// <param name="seconds">Time of the launch that finished it.</param>
internal sealed class InductionReport(
    string folder, IReadOnlyList<InductionStudy> studies, IReadOnlyList<InductionResult> results, RunEnvironment environment, double seconds)
{
    private const string Title = "Induction: KV shift against vanilla transformers";

    private static readonly string[] Columns = ["model", "width", "parameters", "steps to 0.99 by seed", "median", "best accuracy", "seconds"];
    private static readonly string[] ShortColumns = ["model", "width", "seeds", "learnt", "median steps", "best accuracy"];

    /// <summary>Writes the files and prints the table.</summary>
    public void Write(DateTimeOffset writtenAt)
    {
        DurableFile.Replace(Path.Combine(folder, "results.json"), Json(writtenAt));
        DurableFile.Replace(Path.Combine(folder, "results.md"), Markdown(writtenAt));
        var page = new ResultPage(Title, Subtitle());
        foreach (var study in studies)
        {
            AddStudy(page, study);
        }

        page.AddEnvironment(environment);
        page.Save(Path.Combine(folder, "report.html"), writtenAt);
        Print();
    }

    private string Subtitle() => Text(
        $"The task of section 3.2 of arXiv 2411.19574: say what followed a token the last time. {results.Count} runs, ")
        + $"{Quantity.Duration(results.Sum(result => result.Seconds))} of computing in all.";

    private void AddStudy(ResultPage page, InductionStudy study)
    {
        var groups = InductionGroup.Of(study, results);
        page.AddPart(Heading(study), Recipe(study) + Text(
            $" Faint lines are single seeds, strong ones their mean; a run stops when two evaluations in a row reach {InductionStudy.Learnt}."));
        page.AddClaims(InductionClaims.Check(study, results));
        var depth = InductionCharts.AccuracyAgainstSteps(study, groups);
        depth.Save(Path.Combine(folder, $"{study.Name}-depth.svg"));
        page.AddCharts(depth);
        if (study.OtherWidths.Count > 0)
        {
            var width = InductionCharts.AccuracyAgainstWidth(study, groups);
            width.Save(Path.Combine(folder, $"{study.Name}-width.svg"));
            page.AddCharts(width);
        }
        page.AddTable("Models", Columns, Rows(groups));
    }

    private string Markdown(DateTimeOffset writtenAt)
    {
        var text = new StringBuilder(Text($"# {Title}\n\n{Subtitle()} {writtenAt.UtcDateTime:yyyy-MM-dd HH:mm} UTC.\n"));
        foreach (var study in studies)
        {
            var groups = InductionGroup.Of(study, results);
            text.Append(Text($"\n## {Heading(study)}\n\n{Recipe(study)}\n\n"))
                .Append(MarkdownText.Claims(InductionClaims.Check(study, results))).Append('\n')
                .Append(MarkdownText.Table(Columns, Rows(groups)));
        }
        return text.Append(MarkdownText.Environment(environment)).ToString();
    }

    private string Json(DateTimeOffset writtenAt) => JsonSerializer.Serialize(new
    {
        Experiment = "induction",
        WrittenAt = writtenAt,
        Seconds = seconds,
        Environment = environment,
        Studies = studies.Select(study => new
        {
            study.Name,
            study.Description,
            study.Task,
            study.MainWidth,
            Training = new { study.Batch, study.LearningRate, study.WarmupSteps, study.Steps },
            Claims = InductionClaims.Check(study, results),
            Models = InductionGroup.Of(study, results).Select(group => new
            {
                group.Arm.Name,
                group.Arm.Variant,
                group.Arm.Layers,
                group.Width,
                StepsToLearn = group.Results.Select(result => result.StepsToLearn),
                BestAccuracy = group.Results.Select(result => result.BestAccuracy),
            }),
        }),
        Runs = results,
    }, ExperimentJson.Options) + "\n";

    private void Print()
    {
        var console = new ExperimentConsole();
        foreach (var study in studies)
        {
            console.Table(Heading(study), ShortColumns, InductionGroup.Of(study, results).Select(group => (IReadOnlyList<string>)
            [
                group.Arm.Name, Text($"{group.Width}"), Text($"{group.Results.Count}"), Text($"{group.Learnt}"), group.MedianText, group.BestText,
            ]));
            console.Claims(InductionClaims.Check(study, results));
        }
        ExperimentConsole.Line("");
        ExperimentConsole.Line($"report: {Path.Combine(folder, "report.html")}");
    }

    private static IEnumerable<IReadOnlyList<string>> Rows(IReadOnlyList<InductionGroup> groups) => groups.Select(group => (IReadOnlyList<string>)
    [
        group.Arm.Name, Text($"{group.Width}"), Text($"{group.Results[0].Parameters:N0}"), group.StepsText, group.MedianText, group.BestText,
        Text($"{group.Results.Sum(result => result.Seconds):F1}"),
    ]);

    private static string Heading(InductionStudy study) => $"{char.ToUpperInvariant(study.Name[0])}{study.Name[1..]}: {study.Description}";

    private static string Recipe(InductionStudy study) => Text(
        $"{study.Batch:N0} fresh sequences a step, AdamW at {study.LearningRate} after {study.WarmupSteps:N0} steps of warm-up, ")
        + Text($"accuracy over {study.EvaluationSequences:N0} fresh sequences every {study.EvaluateEvery} steps.");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
