using System.CommandLine;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Core;
using KvShiftScale.Trainer.Launch;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift checkpoint export</c>: the model of a checkpoint as a plain model folder.</summary>
internal static class CheckpointExportVerb
{
    // As large as 'model convert' makes them.
    private const long LargestFileBytes = 5L << 30;

    public static Command Build()
    {
        var path = new Argument<string>("path") { Description = RunPath.Description };
        var step = ModelChoice.StepOption();
        var output = new Option<string>("--output") { Description = "Folder to write; it must not exist, or be empty.", Required = true };
        var command = new Command("export", "Writes the model of a checkpoint as a model folder, without optimizer and state.") { path, step, output };
        command.SetAction(parsed => Run(RunPath.Checkpoint(parsed.GetRequiredValue(path), parsed.GetValue(step), ModelChoice.Warn), parsed.GetRequiredValue(output)));
        return command;
    }

    private static int Run(string checkpoint, string output)
    {
        if (File.Exists(output) || (Directory.Exists(output) && Directory.EnumerateFileSystemEntries(output).Any()))
        {
            throw new UsageException($"found something at --output {output}; wanted a folder that does not exist yet, or an empty one");
        }

        TensorLibrary.Load();
        using var source = ModelSource.Open(checkpoint);
        var export = new ModelExport(source, new ExportOptions(ModelNaming.KvShift, null, LargestFileBytes, false));
        var summary = export.Write(output);
        Console.WriteLine(FormattableString.Invariant($"{output}: {summary.Elements:N0} parameters of {checkpoint}"));
        return ExitCode.Done;
    }
}
