using System.CommandLine;
using KvShiftScale.Core;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Reporting;
using KvShiftScale.Trainer.RunFolders;
using KvShiftScale.Trainer.Telemetry;
using Spectre.Console;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift compare</c>: runs beside each other.</summary>
internal static class CompareVerb
{
    public static Command Build()
    {
        var runs = new Argument<string[]>("run") { Description = "Names or folders of runs; the others are held against the first.", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--output") { Description = "The page to write.", DefaultValueFactory = _ => "compare.html" };
        var command = new Command("compare", "What runs came to and where their configurations differ, as tables and as a page with their curves.") { runs, output };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(runs), parsed.GetRequiredValue(output)));
        return command;
    }

    private static int Run(string[] named, string output)
    {
        var comparison = new RunComparison([.. named.Select(Read)]);
        var console = PlainConsole.Create();
        var results = new Table().Border(TableBorder.None);
        foreach (var (index, name) in RunComparison.ResultNames.Index())
        {
            results.AddColumn(index == 0 ? new TableColumn(name) : new TableColumn(name).RightAligned());
        }

        foreach (var row in comparison.Results)
        {
            results.AddRow([.. row.Select(cell => new Text(cell))]);
        }

        console.Write(results);
        if (comparison.Differences.Count > 0)
        {
            var differences = new Table().Border(TableBorder.None);
            differences.AddColumns(["where they differ", .. named.Select(Markup.Escape)]);
            foreach (var (key, values) in comparison.Differences)
            {
                differences.AddRow([new Text(key), .. values.Select(value => new Text(value))]);
            }

            console.Write(differences);
        }

        comparison.Save(output);
        Console.WriteLine($"page: {output}");
        return ExitCode.Done;
    }

    private static ComparedRun Read(string named)
    {
        var folder = RunPath.FolderOf(named);
        var (configuration, metrics) = (Path.Combine(folder, RunFolder.ConfigurationName), Path.Combine(folder, RunFolder.MetricsName));
        return File.Exists(configuration) && File.Exists(metrics)
            ? new ComparedRun(Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))), RunConfigReader.Read(configuration, []), MetricsLog.Read(metrics))
            : throw new UsageException($"found no {(File.Exists(configuration) ? RunFolder.MetricsName : RunFolder.ConfigurationName)} in {folder}; wanted the folder of a run that has trained");
    }
}
