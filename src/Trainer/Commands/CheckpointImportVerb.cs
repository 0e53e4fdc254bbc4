using System.CommandLine;
using KvShiftScale.Checkpoints.Folders;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Checkpoints.Saving;
using KvShiftScale.Core;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.RunFolders;
using KvShiftScale.Trainer.Training;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift checkpoint import</c>: a model folder as the beginning of a run.</summary>
internal static class CheckpointImportVerb
{
    public static Command Build()
    {
        var model = new Option<string>("--model") { Description = "Model folder to begin from, a checkpoint, or a run's name or folder.", Required = true };
        var step = ModelChoice.StepOption();
        var run = new Option<string>("--run")
        {
            Description = "Folder of the run, run.directory/run.name; it must not have checkpoints yet.",
            Required = true
        };
        var command = new Command("import",
            "Makes a checkpoint of step 0 with a fresh optimizer; 'train' with that run's configuration then begins from it.") { model, step, run };
        command.SetAction(parsed => Run(RunPath.Model(parsed.GetRequiredValue(model), parsed.GetValue(step), ModelChoice.Warn), parsed.GetRequiredValue(run)));
        return command;
    }

    private static int Run(string folder, string run)
    {
        var checkpoints = new CheckpointFolder(Path.Combine(run, RunFolder.CheckpointsName));
        if (checkpoints.List().Count > 0)
        {
            throw new UsageException($"found checkpoints in {run}; wanted the folder of a run that has not begun");
        }

        using var hold = new RunLock(run, TimeSpan.Zero);
        if (hold.TryTake() is { } refusal)
        {
            throw new UsageException(refusal);
        }

        TensorLibrary.Load();
        ComputeThreads.Set(configured: 0);
        using var source = ModelSource.Open(folder);
        if (source.Note is { } note)
        {
            Console.Error.WriteLine($"kvshift: {note}");
        }

        using var model = source.Build();
        var state = new TrainingState { Step = 0, Tokens = 0, Loader = null };
        var checkpoint = ModelImport.Write(checkpoints, source, model, [SavedRun.DocumentOf(state)]);
        Console.WriteLine(FormattableString.Invariant($"{checkpoint.Directory}: {model.Parameters.GlobalElementCount:N0} parameters of {folder}"));
        return ExitCode.Done;
    }
}
