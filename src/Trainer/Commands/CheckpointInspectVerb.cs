using System.CommandLine;
using System.Globalization;
using KvShiftScale.Checkpoints.Slices;
using KvShiftScale.Core;
using KvShiftScale.Core.Text;
using KvShiftScale.Trainer.Reporting;
using KvShiftScale.Trainer.Training;
using Spectre.Console;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift checkpoint inspect</c>: what a checkpoint holds, for a person.</summary>
internal static class CheckpointInspectVerb
{
    public static Command Build()
    {
        var path = new Argument<string>("path") { Description = RunPath.Description };
        var step = ModelChoice.StepOption();
        var command = new Command("inspect", "Progress, layout, files and tensors of a checkpoint.") { path, step };
        command.SetAction(parsed => Run(RunPath.Checkpoint(parsed.GetRequiredValue(path), parsed.GetValue(step), ModelChoice.Warn)));
        return command;
    }

    private static int Run(string checkpoint)
    {
        using var tensors = CheckpointTensors.Open(checkpoint);
        var (manifest, state) = (tensors.Manifest, TrainingState.Read(checkpoint));
        var console = PlainConsole.Create();
        var facts = new Table().Border(TableBorder.None).HideHeaders().AddColumn("").AddColumn("");
        Fact("checkpoint", checkpoint);
        Fact("step, tokens", Quantity.Format($"{manifest.Step:N0}, {state.Tokens:N0}"));
        Fact("learning rate", Quantity.LearningRate(state.LearningRate));
        Fact("written by", manifest.Content.Layout?.ToString() ?? "import of a model folder");
        Fact("versions", string.Join(", ", manifest.Versions.Select(version => $"{version.Key} {version.Value}")));
        Fact("went on at steps", state.ResumedAt.Count == 0 ? "none" : string.Join(", ", state.ResumedAt));
        Fact("parameters", Quantity.Whole(tensors.All.Where(tensor => tensor.IsParameter).Sum(tensor => (double)tensor.ElementCount)));
        Fact("optimizer", tensors.All.All(tensor => tensor.IsParameter) ? "fresh" : "AdamW: exp_avg, exp_avg_sq");
        foreach (var source in state.Loader?.Sources ?? [])
        {
            Fact("data", Quantity.Format($"{source.Glob}: {source.Files:N0} files, {source.Documents:N0} documents, {source.Tokens:N0} tokens"));
        }

        console.Write(facts);

        var files = Columns(["file"], ["bytes", "slices"]);
        var slices = tensors.All.SelectMany(tensor => tensor.Slices).GroupBy(slice => slice.File)
            .ToDictionary(same => same.Key, same => same.Count());
        foreach (var file in manifest.Files)
        {
            Row(files, file.Name, Quantity.Whole(file.ByteCount), slices.TryGetValue(file.Name, out var count) ? Quantity.Whole(count) : "");
        }

        console.Write(files);

        var table = Columns(["tensor", "dtype", "shape"], ["slices", "hash"]);
        foreach (var tensor in tensors.All)
        {
            Row(table, tensor.Name, tensor.Entry.TypeName, string.Join(" x ", tensor.Shape), Quantity.Whole(tensor.Slices.Count),
                tensor.Hash.ToString("x16", CultureInfo.InvariantCulture));
        }
        console.Write(table);
        return ExitCode.Done;

        void Fact(string name, string value) => Row(facts, name, value);
    }

    private static Table Columns(string[] texts, string[] numbers)
    {
        var table = new Table().Border(TableBorder.None);
        foreach (var text in texts)
        {
            table.AddColumn(text);
        }

        foreach (var number in numbers)
        {
            table.AddColumn(new TableColumn(number).RightAligned());
        }

        return table;
    }

    private static void Row(Table table, params string[] cells) => table.AddRow([.. cells.Select(cell => new Text(cell))]);
}
