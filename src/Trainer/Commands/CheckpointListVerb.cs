using System.CommandLine;
using System.Globalization;
using KvShiftScale.Checkpoints.Folders;
using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Checkpoints.Verification;
using KvShiftScale.Core;
using KvShiftScale.Core.Text;
using KvShiftScale.Trainer.Reporting;
using KvShiftScale.Trainer.Training;
using Spectre.Console;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift checkpoint list</c>: the checkpoints of a run.</summary>
internal static class CheckpointListVerb
{
    public static Command Build()
    {
        var path = new Argument<string>("path") { Description = RunPath.Description };
        var command = new Command("list", "The checkpoints of a run, the newest first, without a look at the content of their files.") { path };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(path)));
        return command;
    }

    private static int Run(string path)
    {
        var table = new Table().Border(TableBorder.None);
        foreach (var column in (string[])["step", "tokens", "validation", "bytes"])
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        foreach (var column in (string[])["saved", "written by", "state"])
        {
            table.AddColumn(column);
        }

        var losses = RunPath.ValidationLosses(RunPath.FolderOf(path));
        foreach (var (checkpoint, step, isPartial) in RunPath.Checkpoints(path))
        {
            Add(table, checkpoint, step, isPartial, losses);
        }

        PlainConsole.Create().Write(table);
        return ExitCode.Done;
    }

    private static void Add(Table table, string checkpoint, long? step, bool isPartial, IReadOnlyDictionary<long, double> losses)
    {
        var name = step is { } number ? Quantity.Whole(number) : "?";
        try
        {
            if (isPartial)
            {
                throw new InvalidDataException("never finished");
            }

            var manifest = CheckpointFolder.Verify(checkpoint, step, VerificationDepth.Lengths);
            var saved = File.GetLastWriteTime(Path.Combine(checkpoint, CheckpointManifest.FileName));
            Row(Quantity.Whole(manifest.Step), Quantity.Count(TrainingState.Read(checkpoint).Tokens),
                losses.TryGetValue(manifest.Step, out var loss) ? Quantity.Loss(loss) : "", Quantity.Bytes(manifest.ByteCount),
                saved.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture), manifest.Content.Layout?.ToString() ?? "imported", "complete");
        }
        catch (Exception fault) when (fault is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            Row(name, "", "", "", "", "", fault.Message);
        }

        void Row(params string[] cells) => table.AddRow([.. cells.Select(cell => new Text(cell))]);
    }
}
